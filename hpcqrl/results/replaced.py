"""What a run replaces: kept under another name, too, until the run has something to show in its place."""

import os
from contextlib import suppress
from pathlib import Path


class Replaced:
    """The file that was at a path before a run wrote there, if there was one, and the file system has links."""

    def __init__(self, path: Path) -> None:
        self._path, self._aside = path, path.with_name(f".{path.name}.replaced")
        self._kept = False

    def set_aside(self) -> None:
        """Keep the file that is there now under another name, too."""
        self._aside.unlink(missing_ok=True)  # of a run that was killed
        with suppress(OSError):
            os.link(self._path, self._aside)
            self._kept = True

    def let_go(self) -> None:
        """The file in its place has something to show: it is not needed any more."""
        if self._kept:
            self._aside.unlink(missing_ok=True)
            self._kept = False

    def put_back(self) -> None:
        """Have it again at its path, if it was not let go."""
        if self._kept:
            os.replace(self._aside, self._path)
            self._kept = False
