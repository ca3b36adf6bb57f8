"""What a hold has to claim beside the tables that its booking sits on already."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.domain.claims import Claim
from server.domain.window import Window
from server.errors import ClaimKind
from server.orchestrator.candidate import uncovered

MIDNIGHT = datetime(2031, 5, 1, tzinfo=UTC)
TABLE, OTHER_TABLE = UUID(int=1), UUID(int=2)
OWN, FOREIGN = UUID(int=10), UUID(int=11)
KINDS = (ClaimKind.ASSIGNMENT, ClaimKind.HOLD, ClaimKind.BLOCK)
HOURS = 24


def hours(start: int, end: int) -> Window:
    return Window(MIDNIGHT + timedelta(hours=start), MIDNIGHT + timedelta(hours=end))


def covered_hours(*windows: Window) -> set[int]:
    return {hour for hour in range(HOURS) for window in windows if window.overlaps(hours(hour, hour + 1))}


windows = st.tuples(st.integers(0, HOURS - 1), st.integers(1, 8)).map(
    lambda drawn: hours(drawn[0], min(HOURS, drawn[0] + drawn[1]))
)
claims = st.builds(
    Claim,
    table_id=st.sampled_from((TABLE, OTHER_TABLE)),
    window=windows,
    kind=st.sampled_from(KINDS),
    owner_id=st.sampled_from((OWN, FOREIGN)),
) | st.builds(
    Claim, table_id=st.just(TABLE), window=windows, kind=st.just(ClaimKind.ASSIGNMENT), owner_id=st.just(OWN)
)


@given(windows, st.lists(claims, max_size=6).map(tuple))
def test_hold_and_own_tables_together_cover_the_window_and_nothing_twice(
    window: Window, present: tuple[Claim, ...]
) -> None:
    parts = list(uncovered(TABLE, window, present, OWN))
    own = [
        claim.window
        for claim in present
        if (claim.table_id, claim.kind, claim.owner_id) == (TABLE, ClaimKind.ASSIGNMENT, OWN)
    ]
    assert covered_hours(*parts) == covered_hours(window) - covered_hours(*own)
    assert parts == sorted(parts)
    assert all(part.start < part.end for part in parts)
    assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)


@given(windows, st.lists(claims, max_size=6).map(tuple))
def test_a_booking_without_tables_has_to_claim_all_of_its_window(
    window: Window, present: tuple[Claim, ...]
) -> None:
    assert list(uncovered(TABLE, window, present, None)) == [window]
