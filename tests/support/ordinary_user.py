"""Programs that run as an ordinary user although the tests run as root."""

import pwd
from pathlib import Path

from server.persistence.embedded import find_installation
from server.persistence.embedded.account import shared_copy


def open_copy_of_the_wheel(home: Path) -> Path:
    """An import root with the wheel's PostgreSQL where an ordinary user, with no privilege at all, can run it."""
    tree = find_installation("wheel").bin_dir.parent
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
    copied = shared_copy(tree, libraries, home / "wheel")
    (copied.parent / "__init__.py").touch()
    return copied.parents[1]


def ordinary_user(user: pwd.struct_passwd) -> list[str]:
    """A command prefix that becomes this user for good.

    It may still read what root may: the interpreter and this checkout can lie in a directory closed to others.
    """
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    reading = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    return ["setpriv", *identity, *reading]
