"""Writes what is made from the contract: the package `gen/maitred` and the page `docs/errors.md`.

Usage: `python -m ops.build.generate` writes into the repository. With `--check` it writes into a temporary
folder and fails with a list of differences when the committed files are not what the contract says.
"""

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs/errors.md")
MARKER = Path("gen/maitred/v1/py.typed")
DIFF_LINES_MAX = 40


def tool_environment() -> dict[str, str]:
    """The environment in which this interpreter's own tools come first on PATH."""
    own = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{own}{os.pathsep}{os.environ.get('PATH', '')}"}


def _run(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=tool_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"generate: '{' '.join(command)}' failed\n{done.stdout}{done.stderr}")
    return done.stdout


def write_all(target: Path) -> None:
    """Writes every generated file below `target`, which has the repository's shape."""
    _run("buf", "generate", "--output", str(target))
    (target / MARKER).touch()
    with tempfile.TemporaryDirectory() as scratch:
        descriptors = Path(scratch, "contract.binpb")
        _run("buf", "build", "proto", "--output", str(descriptors))
        page = _run(sys.executable, "ops/build/errors_page.py", str(descriptors))
    (target / PAGE).parent.mkdir(parents=True, exist_ok=True)
    (target / PAGE).write_text(page)


def _contents(base: Path) -> dict[str, str]:
    files = {base / PAGE, *(base / "gen").rglob("*")}
    return {
        path.relative_to(base).as_posix(): path.read_text()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }


def differences(committed: dict[str, str], fresh: dict[str, str]) -> list[str]:
    """One line per file that differs, with the beginning of its difference."""
    found = [f"missing: {name}" for name in sorted(fresh.keys() - committed.keys())]
    found += [f"not generated: {name}" for name in sorted(committed.keys() - fresh.keys())]
    for name in sorted(fresh.keys() & committed.keys()):
        if fresh[name] != committed[name]:
            before, after = committed[name].splitlines(), fresh[name].splitlines()
            lines = list(difflib.unified_diff(before, after, name, "generated now", lineterm="", n=1))
            found.append(f"differs: {name}\n" + "\n".join(lines[:DIFF_LINES_MAX]))
    return found


def check() -> None:
    """Ends with status 1 and a list when the committed files are not what the contract says."""
    with tempfile.TemporaryDirectory() as scratch:
        write_all(Path(scratch))
        found = differences(_contents(ROOT), _contents(Path(scratch)))
    if found:
        sys.exit("\n".join([*found, "Run `make generate` and commit what it writes."]))
    print("gen/ and docs/errors.md are what the contract says")


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        check()
    elif not sys.argv[1:]:
        with tempfile.TemporaryDirectory() as scratch:
            write_all(Path(scratch))
            shutil.rmtree(ROOT / "gen", ignore_errors=True)
            # Folder by folder: copying the private scratch folder itself would make the project's own one private.
            for folder in Path(scratch).iterdir():
                shutil.copytree(folder, ROOT / folder.name, dirs_exist_ok=True)
        print("wrote gen/maitred and docs/errors.md")
    else:
        sys.exit("usage: python -m ops.build.generate [--check]")


if __name__ == "__main__":
    main()
