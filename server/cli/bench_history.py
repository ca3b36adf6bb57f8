"""Runs of `bench` as files, so that a change can be compared with what was before."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from server.cli.failures import CommandFailure, ExitCode
from server.cli.output_files import write

LATEST = "latest"


class RunNotFoundError(Exception):
    """There is no such run; the text says where it was looked for."""


def history_folder(given: Path | None) -> Path:
    """Where runs are kept, unless somewhere else is given: among this user's state. Raises CommandFailure."""
    if given is not None:
        return given
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
    try:
        return state.expanduser() / "maitred" / "bench"
    except RuntimeError:
        raise CommandFailure(
            ExitCode.BAD_FILE, "this user has no home to keep runs in", "Name a folder with --history."
        ) from None


def file_of(folder: Path, run: Mapping[str, Any], at: datetime) -> Path:
    """The file that a run is kept in, named after its time and commit."""
    commit = str(run["conditions"].get("commit") or "")
    name = "-".join(part for part in (at.strftime("%Y%m%dT%H%M%SZ"), commit) if part)
    return folder / f"{name}.json"


def save_run(path: Path, run: Mapping[str, Any]) -> None:
    """Raises CommandFailure when it cannot be written."""
    write(path, json.dumps(run, indent=1) + "\n")


def find_run(folder: Path, wanted: str) -> Path:
    """A run by its file, by the beginning of its name, or the latest. Raises `RunNotFoundError`."""
    if Path(wanted).is_file():
        return Path(wanted)
    kept = sorted(folder.glob("*.json"))
    if wanted == LATEST and kept:
        return kept[-1]
    found = [path for path in kept if path.name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise RunNotFoundError(
            f"{wanted!r} is the beginning of {len(found)} runs in {folder}; say more of it"
        )
    listed = ", ".join(path.stem for path in kept[-5:]) or "none"
    raise RunNotFoundError(f"no file and no run in {folder} is called {wanted!r}; the last ones: {listed}")


def read_run(path: Path) -> dict[str, Any]:
    """What a run found. Raises `RunNotFoundError` when the file is no run."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunNotFoundError(f"{path} cannot be read: {error}") from None
    if not isinstance(run, dict) or not {"ratios", "spreads"} <= run.keys():
        raise RunNotFoundError(f"{path} is no run of bench: it has no ratios and spreads")
    return run
