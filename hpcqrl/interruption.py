"""Requests to end, as Slurm sends them before it takes the nodes away, and people from their keyboards."""

import signal
import threading
import time

SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
EXIT_STATUS = 75  # EX_TEMPFAIL of sysexits.h: try again later; the run can be resumed


class Interruption:
    """Notes the arrival of SIGUSR1, SIGTERM or, from a keyboard, SIGINT; nothing else happens by itself.

    From its construction on until `end`; only in the main thread, where alone signals arrive. The second SIGINT is a
    KeyboardInterrupt, as usual. patience: seconds that a run which was told to end waits for a rank that does not come;
    a second signal ends it. (What comes within a second is the same one: a launcher may pass on what all have had.)
    """

    def __init__(self, patience: float = 60.0) -> None:
        self.arrived, self.from_keyboard, self.patience = False, False, patience
        self._first, self._again = 0.0, False
        heard = SIGNALS if threading.current_thread() is threading.main_thread() else ()
        self._before = {number: signal.signal(number, self._note) for number in heard}

    def end(self) -> None:
        """Handle the signals as before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def over(self) -> None:
        """Ignore the signals: all is done, and the interpreter, as it ends, would let them kill the process."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def ends_after(self, seconds: float) -> bool:
        """Whether the run was told to end, and has waited long enough."""
        return self.arrived and (seconds > self.patience or self._again)

    def _note(self, number: int, _: object) -> None:
        if self.arrived and number == signal.SIGINT:
            raise KeyboardInterrupt
        now = time.monotonic()
        if self.arrived:
            self._again = self._again or now > self._first + 1.0
            return
        self.arrived, self.from_keyboard, self._first = True, number == signal.SIGINT, now
