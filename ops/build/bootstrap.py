"""Builds `.venv` from the lock. Started by setup.sh with any Python 3.11 or newer; standard library only.

It does nothing, quickly, when the lock, the project file and the place are those of the last finished run, and the
interpreter is too or PYTHON names none. A run that was cut off leaves no stamp, so the next one finishes the work.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "maitred-setup.stamp"
LOCK = ROOT / "requirements.lock"
PROJECT = ROOT / "pyproject.toml"
# For Pythons from here on some of the locked packages have no builds.
TOO_NEW = (3, 15)
# A user's or machine's settings that would send packages elsewhere than into .venv.
MISLEADING = ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "VIRTUAL_ENV")


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def environment() -> dict[str, str]:
    """This process's environment without what would mislead pip."""
    kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def run(*command: str, remedy: str) -> None:
    """Runs a command in the repository; when it fails, ends with what can be done about it."""
    try:
        subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdin=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        sys.exit(f"setup: '{command[0]}' ended with status {error.returncode}. {remedy}")


def expected_stamp() -> str:
    """What identifies a finished setup: the pinned packages, the project, the place."""
    digest = hashlib.sha256()
    for part in (LOCK.read_bytes(), PROJECT.read_bytes(), os.fsencode(ROOT)):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def works(python: Path) -> bool:
    """Whether the environment's interpreter starts, belongs to this place, is one that the packages have builds for, or
    the one asked for.
    """
    probe = (
        "import sys; sys.exit(sys.prefix != sys.argv[1] or (sys.argv[2] != f'{sys.version} {sys.base_prefix}'"
        f" if sys.argv[2] else not (3, 11) <= sys.version_info < {TOO_NEW}))"
    )
    asked_for = f"{sys.version} {sys.base_prefix}" if os.environ.get("PYTHON") else ""
    try:
        command = [str(python), "-c", probe, str(VENV), asked_for]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def is_current() -> bool:
    return STAMP.is_file() and STAMP.read_text().strip() == expected_stamp() and works(PYTHON)


def require_writable() -> None:
    """Ends with a plain message when this user cannot write here, before anything is half done."""
    for place in (ROOT, *([VENV] if VENV.exists() else [])):
        if not os.access(place, os.W_OK | os.X_OK):
            sys.exit(
                f"setup: user {os.geteuid()} cannot write to {place}, which belongs to user "
                f"{place.stat().st_uid}.\n       Make a clone of your own, or change the folder's owner."
            )


def create_environment() -> None:
    """Makes an empty `.venv`, with pip in it when this interpreter carries one."""
    if works(PYTHON):
        say("keeping the existing .venv")
        return
    if VENV.exists():
        say("replacing .venv, which does not work here or is another Python's")
        shutil.rmtree(VENV)
    packages = ("venv",) if importlib.util.find_spec("ensurepip") else ("venv", "pip")
    if not all(importlib.util.find_spec(package) for package in packages):
        sys.exit(
            "setup: this Python can neither fill an environment (ensurepip) nor install packages (pip).\n"
            "       On Debian or Ubuntu: apt-get install python3-venv. Elsewhere: PYTHON=/path/to/another."
        )
    say(f"creating .venv with Python {sys.version.split()[0]} ({sys.executable})")
    options = ["--without-pip"] if "pip" in packages else []
    run(sys.executable, "-m", "venv", *options, str(VENV), remedy="Is the disk full?")


def pip_command() -> list[str]:
    """The environment's own pip, or this interpreter's pip working on the environment."""
    if subprocess.run([PYTHON, "-c", "import pip"], check=False, capture_output=True).returncode == 0:
        return [str(PYTHON), "-m", "pip"]
    say("the environment has no pip of its own: using the one of this interpreter")
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def install() -> None:
    """Installs the locked packages, each checked by its hash, then the project itself as editable."""
    pip = pip_command()
    say("installing the locked packages (a minute or two the first time)")
    run(
        *[*pip, "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)],
        remedy="A package index must be reachable for the first setup; then run `make setup` again."
        if sys.version_info < TOO_NEW
        else "Some of them have no builds for this Python: make setup PYTHON=/path/to/python3.14, or an older one.",
    )
    say("installing maitred itself, editable")
    run(
        *[*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)],
        remedy="`make clean` and `make setup` start afresh.",
    )
    for listed in VENV.glob("lib/python*/site-packages/_maitred.pth"):
        leave_out_the_place(listed)


def leave_out_the_place(listed: Path) -> None:
    """Names the folders to import from as seen from where they are listed.

    Python 3.11 reads them in the locale's encoding, and does not start where that has no letters for the whole path.
    """
    folders = listed.read_text(encoding="utf-8").splitlines()
    listed.write_text(
        "".join(f"{os.path.relpath(listed.parent / folder, listed.parent)}\n" for folder in folders)
    )


@contextmanager
def alone() -> Iterator[None]:
    """Waits for another setup of this clone to end, and has the next one wait for this one."""
    place = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another setup of this clone to end")
        fcntl.flock(place, fcntl.LOCK_EX)
    except OSError:
        say("this file system locks no folders: no other setup of this clone may run now")
    try:
        yield
    finally:
        os.close(place)


def set_up() -> None:
    create_environment()
    STAMP.unlink(missing_ok=True)
    install()
    STAMP.write_text(expected_stamp() + "\n")
    say("done; the programs are in .venv/bin")


def main() -> None:
    if not is_current():
        require_writable()
        with alone():
            if not is_current():
                set_up()
                return
    say("nothing to do, .venv is current")


if __name__ == "__main__":
    main()
