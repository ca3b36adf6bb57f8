"""The ground that measurements stand on: a durable PostgreSQL of their own, and the events in it."""

import platform
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import psutil

import server
from server.bootstrap import Database, StartError, database, migrate_up
from server.config import Settings, load_settings
from server.persistence.bench import BenchEvents, add_database
from server.persistence.inspection import connection_to, database_facts

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """`settings` are those of what is measured: the defaults, or what the environment says instead."""

    settings: Settings
    database: Database
    events: BenchEvents
    report: Report

    @property
    def url(self) -> str:
        return self.database.url

    async def another_database(self) -> str:
        """The address of a new database with our schema on the same PostgreSQL. It goes when the ground does."""
        url = await add_database(self.url, f"bench_{uuid4().hex}")
        await migrate_up(self.settings, url)
        return url


@asynccontextmanager
async def own_ground(report: Report) -> AsyncIterator[Ground]:
    """A database on disk that is gone afterwards. A configured one is not touched.

    Raises `StartError`, also when fsync or one of its kind is off: then no figure would mean anything.
    """
    with tempfile.TemporaryDirectory(prefix="maitred-", ignore_cleanup_errors=True) as folder:
        settings = load_settings(data_dir=Path(folder), host="127.0.0.1", port=0, log_level="error")
        async with database(settings) as found, connection_to(found.url) as connection:
            off = (await database_facts(found.url)).not_durable
            if off:
                raise StartError(f"the database is not durable: {', '.join(off)} off")
            yield Ground(settings, found, BenchEvents(connection), report)


def conditions(ground: Ground) -> dict[str, object]:
    """The machine and the versions that a measurement was made with."""
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "maitred": version("maitred"),
        "commit": _commit(),
        "postgres": f"{ground.database.version}, {ground.database.source}",
        "durable": True,
    }


def _commit() -> str | None:
    """Of the source that runs, with a plus when it was changed since; None when it was installed without one."""
    source = Path(server.__file__).parents[1]
    if not (source / ".git").exists():
        return None
    try:
        commit, changed = (
            subprocess.run(
                ("git", *asked), cwd=source, capture_output=True, text=True, check=True
            ).stdout.strip()
            for asked in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+" if changed else commit


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = perf_counter()

    @property
    def seconds(self) -> float:
        return perf_counter() - self._started
