"""How much processor time a measurement takes, which other work on the machine hardly changes."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psutil

SERVER_SIGNS = (
    "server.bench.serving_child",
    "server.bench.serving_process",
    "server.processes.child",
    "serve",
)


def processor_seconds_by_program() -> Mapping[str, float]:
    """User and system time so far of this process and of all that it has started and that still run, by what runs:
    "server", "database", and "clients", which is everything else.

    PostgreSQL's first process counts those that it has already seen end.
    """
    own = psutil.Process()
    total: defaultdict[str, float] = defaultdict(float)
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            program = _program(process)
            used = process.cpu_times()
            ended = used.children_user + used.children_system if program == "database" else 0.0
            total[program] += used.user + used.system + ended
    return total


def _program(process: psutil.Process) -> str:
    if process.name().startswith("postgres"):
        return "database"
    return "server" if any(word in SERVER_SIGNS for word in process.cmdline()) else "clients"


@dataclass(slots=True)
class Watched:
    """Milliseconds by program, complete when the block that they were watched in is left."""

    ms: dict[str, float] = field(default_factory=dict)


@contextlib.contextmanager
def watched() -> Iterator[Watched]:
    """Notes what the programs use while the block lasts."""
    noted = Watched()
    before = processor_seconds_by_program()
    yield noted
    after = processor_seconds_by_program()
    noted.ms |= {name: (seconds - before.get(name, 0.0)) * 1000 for name, seconds in after.items()}
