"""Where a server's time goes: what its thread was doing whenever somebody looked."""

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# In step with nothing periodic.
LOOK_S = 0.0047
LISTED = 20
OURS = "server."
OTHER_THREADS = "(other threads of the process)"


@dataclass(frozen=True, slots=True)
class Share:
    """What part of the processor time was spent in `name`: in it alone, or with what it called."""

    name: str
    itself: float
    within: float


@contextmanager
def profiled(path: Path | None) -> Iterator[None]:
    """Looks at the main thread until the block is left, then writes what was seen. Without a path does nothing.

    A look comes whenever the process has used so much processor time, and weighs as much as the main thread has used
    since the last one: waiting counts for nothing. It costs some microseconds and changes no ratio between functions,
    as a trace of every call would. Time inside C counts for the function that called it, and what the event loop does
    for itself mostly for the function that runs it.
    """
    if path is None:
        yield
        return
    looks = _Looks()
    signal.signal(signal.SIGPROF, looks.look)
    signal.setitimer(signal.ITIMER_PROF, LOOK_S, LOOK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.write_text(json.dumps(looks.stacks()), encoding="utf-8")


class _Looks:
    """The stacks of the main thread, with the nanoseconds it used."""

    def __init__(self) -> None:
        self._used_ns: Counter[tuple[str, ...]] = Counter()
        self._began_ns = self._before_ns = time.thread_time_ns()
        self._all_began_ns = time.process_time_ns()

    def look(self, _signal: int, frame: FrameType | None) -> None:
        now_ns = time.thread_time_ns()
        self._used_ns[_stack(frame)] += now_ns - self._before_ns
        self._before_ns = now_ns

    def stacks(self) -> list[tuple[int, list[str]]]:
        """Those that took most first."""
        own_ns = self._before_ns - self._began_ns
        self._used_ns[OTHER_THREADS,] = max(0, time.process_time_ns() - self._all_began_ns - own_ns)
        return [(used_ns, list(stack)) for stack, used_ns in self._used_ns.most_common()]


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    """Names from the innermost call outwards."""
    names = []
    while frame is not None:
        code = frame.f_code
        names.append(f"{frame.f_globals.get('__name__', '?')}.{code.co_qualname}")
        frame = frame.f_back
    return tuple(names)


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time went: by package, of ours by room; by function; by function of ours with what it called."""

    packages: tuple[Share, ...]
    functions: tuple[Share, ...]
    own_functions: tuple[Share, ...]

    def lists(self) -> tuple[tuple[str, tuple[Share, ...]], ...]:
        """Each list with what it is by."""
        return (
            ("by package", self.packages),
            ("by function", self.functions),
            ("by function of ours, with what it calls", self.own_functions),
        )


def read_profile(path: Path) -> Profile:
    """What `profiled` wrote."""
    stacks: list[tuple[int, list[str]]] = json.loads(path.read_text(encoding="utf-8"))
    by_package = [(used_ns, [_package(name) for name in stack]) for used_ns, stack in stacks]
    packages, functions = _shares(by_package), _shares(stacks)
    ours = sorted(
        (share for share in functions if share.name.startswith(OURS)), key=lambda each: -each.within
    )
    return Profile(packages[:LISTED], functions[:LISTED], tuple(ours[:LISTED]))


def _shares(stacks: Sequence[tuple[int, Sequence[str]]]) -> tuple[Share, ...]:
    everything_ns = max(1, sum(used_ns for used_ns, _ in stacks))
    itself: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for used_ns, stack in stacks:
        itself[stack[0]] += used_ns
        for name in set(stack):
            within[name] += used_ns
    return tuple(
        Share(name, itself[name] / everything_ns, within[name] / everything_ns)
        for name in sorted(within, key=lambda each: -itself[each])
    )


def _package(name: str) -> str:
    if name == OTHER_THREADS:
        return name
    first, _, rest = name.partition(".")
    return f"{first}.{rest.partition('.')[0]}" if first == "server" else first
