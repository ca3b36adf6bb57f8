"""File locks that say who may use a data directory, and whether PostgreSQL processes still do.

Both are `flock`s, which the kernel drops with the last process that holds the file open: none goes stale.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from server.persistence.embedded.errors import EmbeddedPostgresError

_OWNER_LOCK: Final = "owner.lock"


class FileLock:
    """An exclusive lock on one file, held until `release`. Its first line is the holder's process id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Takes the lock without waiting; False when another open file description holds it."""
        if self._fd is not None:
            return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return True

    def holder(self) -> str:
        """The process id the present holder wrote, or a question mark."""
        try:
            return self._path.read_text(encoding="ascii").strip() or "?"
        except OSError:
            return "?"

    def fileno(self) -> int:
        """The descriptor to hand to a child that shall hold the lock too."""
        assert self._fd is not None, "the lock is not held"
        return self._fd

    def release(self) -> None:
        """Gives up this process's part of the lock. Twice is harmless."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def owned_elsewhere(data_root: Path) -> bool:
    """Whether another process uses `data_root` right now. Raises when this user may not know."""
    path = data_root / _OWNER_LOCK
    try:
        if not path.exists():
            return False
        lock = FileLock(path)
        if lock.acquire():
            lock.release()
            return False
    except OSError as failure:
        raise EmbeddedPostgresError(
            f"cannot tell who uses {data_root}: {failure.strerror}. Ask as its owner, or choose another "
            "directory with --data-dir"
        ) from failure
    return True


def take_ownership(data_root: Path) -> FileLock:
    """Makes this process the only user of `data_root`, or says who is."""
    try:
        lock = FileLock(data_root / _OWNER_LOCK)
        if lock.acquire():
            return lock
    except OSError as failure:
        raise EmbeddedPostgresError(
            f"cannot write to {data_root}: {failure.strerror}. Choose another directory with --data-dir"
        ) from failure
    raise EmbeddedPostgresError(
        f"another maitred (process {lock.holder()}) already uses {data_root}: stop it, or give this one its "
        "own directory with --data-dir"
    )
