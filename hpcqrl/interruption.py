"""Requests to end, as Slurm sends them before it takes the nodes away."""

import signal

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
EXIT_STATUS = 75  # EX_TEMPFAIL of sysexits.h: try again later; the run can be resumed


class Interruption:
    """Notes the arrival of SIGUSR1 or SIGTERM, from its construction on; nothing else happens by itself."""

    def __init__(self) -> None:
        self.arrived = False
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def end(self) -> None:
        """Handle the signals as before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self.arrived = True
