"""Where a server's time goes: what its thread was doing whenever somebody looked."""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# Prime, so that it keeps no step with anything periodic.
LOOK_S = 0.0047
LISTED = 25
OTHER_THREADS = "(other threads of the process)"


@dataclass(frozen=True, slots=True)
class Share:
    """What part of the processor time was spent in `name`: in it alone, or with what it called."""

    name: str
    itself: float
    within: float


@contextmanager
def profiled(path: Path | None) -> Iterator[None]:
    """Looks at the calling thread until the block is left, then writes what was seen. Without a path does nothing.

    A look weighs as much as the processor time that the thread has used since the last one, so waiting counts for
    nothing. It costs some microseconds and changes no ratio between functions, as a trace of every call would. Time
    inside C counts for the function that called it; the event loop itself shows as what runs it.
    """
    if path is None:
        yield
        return
    looks = _Looks(threading.get_ident())
    looks.start()
    try:
        yield
    finally:
        looks.end()
        path.write_text(json.dumps(looks.stacks), encoding="utf-8")


class _Looks(threading.Thread):
    """Notes the stack of a thread again and again, with the nanoseconds it used."""

    def __init__(self, watched: int) -> None:
        super().__init__(daemon=True)
        self._watched = watched
        self._clock = time.pthread_getcpuclockid(watched)
        self._ended = threading.Event()
        self._used_ns: Counter[tuple[str, ...]] = Counter()

    def run(self) -> None:
        begun_ns = before_ns = time.clock_gettime_ns(self._clock)
        all_ns = time.process_time_ns()
        while not self._ended.wait(LOOK_S):
            frame = sys._current_frames().get(self._watched)
            now_ns = time.clock_gettime_ns(self._clock)
            if frame is not None and now_ns > before_ns:
                self._used_ns[_stack(frame)] += now_ns - before_ns
            before_ns = now_ns
        self._used_ns[OTHER_THREADS,] = time.process_time_ns() - all_ns - (before_ns - begun_ns)

    def end(self) -> None:
        self._ended.set()
        self.join()

    @property
    def stacks(self) -> list[tuple[int, list[str]]]:
        return [(used_ns, list(stack)) for stack, used_ns in self._used_ns.most_common()]


def _stack(top: FrameType) -> tuple[str, ...]:
    """Names from the innermost call outwards."""
    names = []
    frame: FrameType | None = top
    while frame is not None:
        code = frame.f_code
        names.append(f"{frame.f_globals.get('__name__', '?')}.{code.co_qualname}")
        frame = frame.f_back
    return tuple(names)


def shares_of(path: Path) -> tuple[Share, ...]:
    """What a profile saw, those first that took most themselves."""
    stacks: list[tuple[int, list[str]]] = json.loads(path.read_text(encoding="utf-8"))
    everything_ns = max(1, sum(used_ns for used_ns, _ in stacks))
    itself: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for used_ns, stack in stacks:
        itself[stack[0]] += used_ns
        for name in set(stack):
            within[name] += used_ns
    return tuple(
        Share(name, itself[name] / everything_ns, within[name] / everything_ns)
        for name, _ in itself.most_common(LISTED)
    )
