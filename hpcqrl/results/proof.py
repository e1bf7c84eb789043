"""Whether HDF5 comes to an end with a file: another process finds out, before this one opens it.

On a file that is damaged, or made for it, HDF5 may spin for ever, or crash, and nothing can interrupt it but the end of
its process. The other process reads what readers read, says so, and is there for the next file; after some seconds
without one it ends. One that does not come to an end with a file is ended by its own alarm.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

SECONDS = 10
_A_SECOND = 10**7  # bytes that a slow disk reads in one
_IDLE = 5.0  # seconds

_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None
_owner = 0  # the process that has started it: one that is forked has another pipe to start


def prove(path: str | Path) -> None:
    """Return if HDF5 comes to an end with a file, good or damaged; else raise ValueError, after 10 s and a little."""
    global _process, _owner
    line = json.dumps([os.path.abspath(path), SECONDS]).encode() + b"\n"
    with _lock:
        for _ in range(2):  # it may be about to end, being idle
            if _process is None or _process.poll() is not None or _owner != os.getpid():
                _process, _owner = _start(), os.getpid()
            assert _process.stdin is not None and _process.stdout is not None
            try:
                _process.stdin.write(line)
                answer = _process.stdout.readline()
            except BrokenPipeError:
                answer = b""
            if answer:
                return
            status = _process.wait()
            if status < 0:
                how = f"not within {SECONDS} s" if status == -signal.SIGALRM else f"it ends with signal {-status}"
                raise ValueError(f"HDF5 does not come to an end with it ({how}): it is damaged")
    raise ValueError(f"the process that should read it first ends with status {status}")


def _start() -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),  # the same modules, and none from here
        "MPI4PY_RC_INITIALIZE": "0",  # an h5py with MPI must not start it: this is no rank
    }
    # -P: the working directory may be anybody's
    command = [sys.executable, "-P", "-c", "from hpcqrl.results.proof import serve; serve()"]
    return subprocess.Popen(  # noqa: S603
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for this process
    )


@atexit.register
def end() -> None:
    """Have the other process end now: nothing else is to be read."""
    if _process is not None and _owner == os.getpid() and _process.stdin is not None:
        _process.stdin.close()
        _process.wait()


def serve() -> None:
    """Be the other process: read the files that are named on standard input, and say so of each."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends even what C code does
    while select.select([sys.stdin.buffer], [], [], _IDLE)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        _read(*json.loads(line))
        sys.stdout.buffer.write(b"read\n")
        sys.stdout.buffer.flush()


def _read(path: str, seconds: int) -> None:
    """All that readers would; what is wrong with it, they find out themselves."""
    from hpcqrl.results.plain import ERRORS, open_plain

    try:
        signal.alarm(seconds + os.stat(path).st_size // _A_SECOND)
        with open_plain(path, proven=True) as file:
            dict(file.attrs)
            file.visititems(_read_item)
    except ERRORS:
        pass
    finally:
        signal.alarm(0)


def _read_item(name: str, item: object) -> None:
    import h5py

    dict(item.attrs)  # type: ignore[attr-defined]
    if isinstance(item, h5py.Dataset) and item.chunks:  # others lie in one piece, and are only copied
        for chunk in item.iter_chunks() if item.size else ():
            item[chunk]
