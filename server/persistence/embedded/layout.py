"""Where the embedded PostgreSQL keeps its files."""

import hashlib
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from server.persistence.embedded.account import Account, make_open_directory, shared_copy
from server.persistence.embedded.errors import EmbeddedPostgresError
from server.persistence.embedded.installation import WHEEL_PACKAGE, Installation

PORT: Final = 5432
# The shortest limit of the systems we run on, in bytes and without the closing zero.
_SOCKET_PATH_BYTES_MAX: Final = 103
_SHARED_COPIES: Final = Path("/var/cache/maitred")
_TAIL_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths under one data root; a data directory serves one major version of PostgreSQL only."""

    data_root: Path
    data_dir: Path
    log_file: Path

    @property
    def partial_data_dir(self) -> Path:
        """Where a data directory is made; it gets its name only when complete."""
        return self.data_dir.with_name(f"{self.data_dir.name}.partial")

    @property
    def running_lock(self) -> Path:
        """Locked by every PostgreSQL process of this data directory, for as long as one lives."""
        return self.data_dir.with_name(f"{self.data_dir.name}.lock")


def layout_of(data_root: Path, installation: Installation) -> Layout:
    """The paths for this installation under an absolute `data_root`."""
    name = f"postgresql-{installation.major}"
    return Layout(data_root, data_root / name, data_root / f"{name}.log")


def socket_dir_of(data_root: Path, account: Account) -> Path:
    """A 0700 directory of this account for the socket, elsewhere when the root's path is too long."""
    candidates = [data_root / "run"]
    short_name = f"maitred-{account.uid}-{hashlib.sha256(os.fsencode(data_root)).hexdigest()[:16]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and not account.lent and os.access(runtime, os.W_OK):
        candidates.append(Path(runtime) / short_name)
    # Open to every account and short everywhere; the directory in it is checked to be ours and closed.
    candidates.append(Path("/tmp") / short_name)  # noqa: S108
    for candidate in candidates:
        if len(os.fsencode(candidate / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES_MAX:
            account.make_private_directory(candidate)
            return candidate
    raise EmbeddedPostgresError(f"no directory short enough for a socket, among {candidates}")


def prepare_data_root(data_root: Path, account: Account) -> None:
    """Makes `data_root`, and lets a lent account pass through it and through what was made for it."""
    try:
        if account.lent:
            make_open_directory(data_root, 0o711)
            data_root.chmod(data_root.stat().st_mode | 0o011)
        else:
            data_root.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise EmbeddedPostgresError(
            f"cannot use {data_root} as a data directory: {failure.strerror}. Choose another with --data-dir"
        ) from failure
    if account.lent and not account.runs("/usr/bin/env", "test", "-x", data_root):
        raise EmbeddedPostgresError(
            f"PostgreSQL runs as user {account.name}, who cannot reach {data_root} because a directory above "
            "it is closed to others. Choose an open place with --data-dir, for example /var/lib/maitred, or with "
            "TMPDIR for a command that keeps nothing"
        )


def bin_dir_for(installation: Installation, account: Account, data_root: Path) -> Path:
    """The installation's programs where `account` can run them; a copy if the wheel's place is closed."""
    if not account.lent or account.runs(installation.bin_dir / "postgres", "--version"):
        return installation.bin_dir
    if installation.source != "wheel":
        raise EmbeddedPostgresError(
            f"user {account.name} cannot run {installation.bin_dir}/postgres: give it read and execute "
            "permission, or start maitred as an ordinary user"
        )
    tree = installation.bin_dir.parent
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
    name = f"{WHEEL_PACKAGE}-{metadata.version(WHEEL_PACKAGE)}"
    for home in (_SHARED_COPIES, data_root):
        try:
            copy = shared_copy(tree, libraries, home / name / tree.name) / "bin"
        except OSError:
            continue
        if account.runs(copy / "postgres", "--version"):
            return copy
    raise EmbeddedPostgresError(
        f"user {account.name} cannot run the wheel's PostgreSQL, nor a copy of it in {_SHARED_COPIES} or "
        f"{data_root}: is one of them on a file system mounted noexec or read-only?"
    )


def log_tail(log_file: Path) -> str:
    """The last lines of the server's log, for an error message."""
    try:
        return "\n".join(log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
    except OSError:
        return "(no log)"
