"""The operating system account PostgreSQL runs as. It refuses to be root, so root lends it another one."""

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.launcher import ending_with_us
from server.persistence.embedded.errors import EmbeddedPostgresError

_LENT_ACCOUNTS: Final = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Who PostgreSQL runs as; `lent` when that is somebody else than this process."""

    name: str
    uid: int
    gid: int
    lent: bool

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line that runs `arguments` as this account, and that is interrupted when this process ends."""
        return ending_with_us(*arguments, identity=f"{self.uid}:{self.gid}" if self.lent else "-")

    def runs(self, *arguments: str | Path) -> bool:
        """Whether this account can run a short command; says nothing about why not."""
        outcome = subprocess.run(
            self.command(*arguments),
            cwd="/",
            env=environment(),
            capture_output=True,
            check=False,
            # Ctrl-C would end it, and be taken for a no.
            start_new_session=True,
        )
        return outcome.returncode == 0

    def own(self, path: Path) -> None:
        """Makes the account the owner of `path`."""
        if self.lent:
            os.chown(path, self.uid, self.gid)

    def make_private_directory(self, path: Path) -> None:
        """Makes `path` a 0700 directory of this account, or raises when somebody else's is in its place."""
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {self.uid, os.geteuid()}:
            raise EmbeddedPostgresError(
                f"{path} already exists and is not a directory of user {self.name}: remove it, or choose "
                "another directory with --data-dir"
            )
        self.own(path)
        path.chmod(0o700)


def choose_account(data_dir: Path) -> Account:
    """This process's own account; for root the owner of `data_dir`, else `postgres` or `nobody`."""
    if os.geteuid() != 0:
        uid = os.geteuid()
        return Account(_name_of(uid), uid, os.getegid(), lent=False)
    if data_dir.exists() and (owner := data_dir.stat()).st_uid != 0:
        return Account(_name_of(owner.st_uid), owner.st_uid, owner.st_gid, lent=True)
    for name in _LENT_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, lent=True)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root and this machine has neither a user 'postgres' nor a user 'nobody': "
        "create one, start maitred as an ordinary user, or set database_url to a PostgreSQL that already runs"
    )


def own_user_name() -> str:
    """The operating system name of this process's user, as the server's peer authentication sees it."""
    return _name_of(os.geteuid())


def environment() -> dict[str, str]:
    """What PostgreSQL's programs may see: none of our PG* variables, and messages in English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def make_open_directory(path: Path, mode: int) -> None:
    """Makes `path` and what is missing above it with this mode, whatever the umask would take from it."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for directory in missing:
        directory.chmod(mode)


def shared_copy(tree: Path, libraries: Path, target: Path) -> Path:
    """Copies a wheel's PostgreSQL to `target`, readable by all, and answers where its tree is there.

    A finished copy is reused. The copy appears under its name only when complete, so a crash leaves none.
    """
    copied = target / tree.parent.name / tree.name
    if copied.exists():
        return copied
    make_open_directory(target.parent, 0o755)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    ignored = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(tree, partial / tree.parent.name / tree.name, ignore=ignored)
    if libraries.exists():
        shutil.copytree(libraries, partial / libraries.name)
    for path in (partial, *partial.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
    try:
        partial.rename(target)
    except OSError:
        # Another process was faster; its copy is as good as ours.
        shutil.rmtree(partial, ignore_errors=True)
        if not copied.exists():
            raise
    return copied


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise EmbeddedPostgresError(
            f"user id {uid} has no name on this machine and PostgreSQL needs one: add it to the user "
            "database, or set database_url to a PostgreSQL that already runs"
        ) from None
