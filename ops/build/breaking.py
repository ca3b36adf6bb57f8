"""Compares the contract with main's and fails on a change that would break a client (`buf breaking`).

The comparison is with the newest commit of main that is not the one at hand: on a branch, the commit where it
left main; on main itself, the commit before. Without git, without such a commit, or when the contract was not
in it yet, there is nothing to break, which is said.
"""

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAINS = ("origin/main", "main")


def git(*arguments: str) -> bytes | None:
    """What git prints, or None when it fails. The clone may belong to another user than this one."""
    command = ["git", "-c", f"safe.directory={ROOT}", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def commit(expression: str) -> str | None:
    """The full id of a commit, or None when there is no such commit."""
    found = git("rev-parse", "--verify", "--quiet", f"{expression}^{{commit}}")
    return found.decode().strip() if found else None


def baseline() -> str | None:
    """The commit to compare with, or None when there is none."""
    head = commit("HEAD")
    if head is None:
        return None
    for main in MAINS:
        if commit(main) is None:
            continue
        shared = git("merge-base", "HEAD", main)
        if shared and shared.decode().strip() != head:
            return shared.decode().strip()
    return commit("HEAD~1")


def main() -> None:
    against = baseline()
    if against is None:
        print("no earlier commit to compare with: nothing can be broken")
        return
    archive = git("archive", "--format=zip", against, "proto", "buf.yaml")
    if archive is None:
        print(f"main has no contract yet (at {against[:12]}): nothing can be broken")
        return
    with tempfile.TemporaryDirectory() as earlier:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            files.extractall(earlier)
        if not any(Path(earlier, "proto").rglob("*.proto")):
            print(f"main has no contract yet (at {against[:12]}): nothing can be broken")
            return
        print(f"comparing with main at {against[:12]}", flush=True)
        done = subprocess.run(["buf", "breaking", "--against", earlier], cwd=ROOT, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
