"""Sending a given list of calls from a client process, in a closed loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from loadgen.driving.line import lines_to
from loadgen.driving.loops import Limit, closed_loop
from loadgen.driving.processes import Desk
from loadgen.driving.tally import Tally


@dataclass(frozen=True, slots=True)
class CallsPart:
    """What one process sends: `calls` are methods with encoded requests.

    They are sent once each, or, when `duration_s` is given, again and again in turn for so long: only questions and
    calls that answer a repeat from the record are sent so. `lines` connections take turns.
    """

    target: str
    metadata: tuple[tuple[str, str], ...]
    calls: Sequence[tuple[str, bytes]]
    in_flight: int
    lines: int = 1
    duration_s: float | None = None
    timeout_s: float = 30.0


async def send_calls(part: CallsPart, desk: Desk) -> Tally:
    """The job for `ClientProcesses.run`: connects, waits until everybody is ready, sends, and counts."""
    tally = Tally()
    async with lines_to(part.target, part.metadata, part.lines) as lines:
        await desk.ready()
        chosen, turns = iter(cycle(lines)), iter(cycle(part.calls))

        async def operate(intended_ns: int) -> None:
            method, body = next(turns)
            tally.note(method, await next(chosen).send(method, body, part.timeout_s), intended_ns)

        operations = None if part.duration_s is not None else len(part.calls)
        await closed_loop(operate, part.in_flight, Limit(operations, part.duration_s, desk.stopping))
    return tally
