"""One look at a whole history.

`check_history` puts the rooms' checks together: repeats (`operations`), tables given twice (`overlaps`), what was
told as done (`successes`), what was refused (`refusals`), how bookings stood (`statuses`), and the rows of the
database (`against_database`). Each reports only what no order of effects can explain, so a clean service never raises
an alarm. docs/checking.md says what it cannot see.
"""

from pathlib import Path

from loadgen.checking.against_database import State, counted, differences
from loadgen.checking.clock import TOLERANCE_S, service_clock
from loadgen.checking.history import History, read_history
from loadgen.checking.occupancy import Occupancy, occupancy_of
from loadgen.checking.operations import Operation, broken_invariants, operations_of
from loadgen.checking.overlaps import double_bookings, double_seatings
from loadgen.checking.refusals import dishonest_refusals
from loadgen.checking.report import Report, Violation
from loadgen.checking.statuses import impossible_steps
from loadgen.checking.successes import dead_holds, ids_given_twice, sums, wrong_answers


def check_history(folder: Path, state: State | None = None) -> Report:
    """Checks the history of a folder, and against a database's rows when they are given.

    Raises FileNotFoundError and ValueError for a folder that has no history that can be read.
    """
    return check(read_history(folder), state)


def check(history: History, state: State | None = None, tolerance_s: float = TOLERANCE_S) -> Report:
    """The same for a history that was read. `tolerance_s` is how far the service's clock may be from the clients'."""
    operations, violations = operations_of(history.calls)
    found = occupancy_of(operations, service_clock(history.clocks, tolerance_s))
    violations += _all(history, operations, found)
    if state is not None:
        violations += differences(state, operations, found)
    counts = {"calls": len(history.calls), "operations": len(operations), **sums(found)}
    if state is not None:
        counts |= counted(state)
    began_ns = history.calls[0].invoked_ns if history.calls else 0
    return Report(tuple(violations), counts, history.seed, state is not None, began_ns)


def _all(history: History, operations: list[Operation], found: Occupancy) -> list[Violation]:
    return [
        *double_bookings(found),
        *double_seatings(found),
        *broken_invariants(history.calls),
        *ids_given_twice(found),
        *dead_holds(found),
        *wrong_answers(operations, found),
        *dishonest_refusals(operations, found),
        *impossible_steps(operations, found),
    ]
