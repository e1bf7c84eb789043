"""A rank's deputy: a second thread, which passes records on while the first is away in a long step.

MPI and the results file are used by one thread at a time: by the run's own, but while it says that it is away.
"""

import threading
from collections.abc import Callable

_INTERVAL = 0.5  # seconds between two looks whether the run's own thread is away


class Deputy:
    """Calls `duty` about twice a second while the run's own thread is away: within `with deputy:`.

    That thread makes it, and is not away then. What goes wrong in the duty is raised where the thread comes back. A
    step that never lets another thread of Python's run, in compiled code, has no deputy.
    """

    def __init__(self, duty: Callable[[], object]) -> None:
        self._duty, self._own = duty, threading.get_ident()
        self._helm, self._depth, self._over = threading.Lock(), 0, threading.Event()
        self._failed: BaseException | None = None
        self._helm.acquire()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        """The run's own thread goes away; of others, nothing is known."""
        if threading.get_ident() == self._own:
            self._depth += 1
            if self._depth == 1:
                self._helm.release()

    def __exit__(self, *_: object) -> None:
        """It is back."""
        if threading.get_ident() == self._own:
            if self._depth == 1:
                self._helm.acquire()
            self._depth -= 1
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed

    def end(self) -> None:
        """No deputy any more; the run's own thread is back."""
        self._over.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def _look(self) -> None:
        while not self._over.wait(_INTERVAL):
            if self._helm.acquire(blocking=False):
                try:
                    self._duty()
                except BaseException as error:
                    self._failed = error
                    return
                finally:
                    self._helm.release()
