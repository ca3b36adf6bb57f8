"""The rules a table set has to pass. Validation reports them; hold, confirm and assign enforce them; planning applies
them to all sets of a floor at once, and property tests hold it to the answers given here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.floor import Floor, Table
from server.domain.hours import local_time
from server.domain.limits import CONFLICTS_LISTED_MAX, SELECTION_TABLES_MAX
from server.domain.policy import AdjacencyMode, ServicePolicy
from server.domain.window import Window
from server.errors import (
    PRECEDENCE,
    Check,
    CheckStatus,
    ClaimKind,
    Conflict,
    Reason,
    Refusal,
    ServiceError,
    refuse,
)

CONFLICT_REASON = {
    ClaimKind.BLOCK: Reason.TABLE_BLOCKED,
    ClaimKind.ASSIGNMENT: Reason.TABLE_CONFLICT_ASSIGNED,
    ClaimKind.HOLD: Reason.TABLE_CONFLICT_HELD,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """A table set for a party, with everything the rules read. `tables` are ordered by id and unique.

    `overrides` are rules that are set aside for it: broken, they come out as warnings.
    """

    floor: Floor
    policy: ServicePolicy
    party: Party
    window: Window
    tables: tuple[Table, ...]
    overrides: tuple[Reason, ...] = ()

    @property
    def capacity(self) -> int:
        return sum(table.capacity for table in self.tables)

    @property
    def slack(self) -> int:
        """Seats left empty; negative when there are too few."""
        return self.capacity - self.party.party_size

    @property
    def table_ids(self) -> tuple[UUID, ...]:
        return tuple(table.table_id for table in self.tables)

    @property
    def zone_id(self) -> UUID | None:
        zones = {table.zone_id for table in self.tables}
        return next(iter(zones)) if len(zones) == 1 else None


def select(
    floor: Floor,
    policy: ServicePolicy,
    party: Party,
    window: Window,
    table_ids: Iterable[UUID],
    restaurant_id: UUID,
    overrides: tuple[Reason, ...] = (),
) -> Selection:
    """The selection of these tables, or TABLE_NOT_FOUND naming the ids the floor does not have."""
    return Selection(floor, policy, party, window, known_tables(floor, table_ids, restaurant_id), overrides)


def known_tables(floor: Floor, table_ids: Iterable[UUID], restaurant_id: UUID) -> tuple[Table, ...]:
    """The tables with these ids, ordered by id and unique, or TABLE_NOT_FOUND."""
    wanted = sorted(set(table_ids))
    missing = [str(table_id) for table_id in wanted if table_id not in floor.by_id]
    if missing:
        raise refuse(
            Reason.TABLE_NOT_FOUND,
            f"Not tables of this restaurant: {', '.join(missing)}.",
            restaurant_id=restaurant_id,
            table_ids=",".join(missing),
        )
    return tuple(floor.by_id[table_id] for table_id in wanted)


def forms_merge(mode: AdjacencyMode, floor: Floor, table_ids: Sequence[UUID]) -> bool:
    """Whether the adjacency within the set makes it one merge under `mode`; a single table always is one."""
    members = set(table_ids)
    degrees = {table_id: len(floor.neighbours.get(table_id, frozenset()) & members) for table_id in members}
    others = len(members) - 1
    if mode is AdjacencyMode.PAIRWISE:
        return all(degree == others for degree in degrees.values())
    if mode is AdjacencyMode.HUB:
        return any(degree == others for degree in degrees.values())
    return len(_reachable(floor, members)) == len(members)


def _reachable(floor: Floor, members: set[UUID]) -> set[UUID]:
    frontier = {min(members)}
    reached: set[UUID] = set()
    while frontier:
        reached |= frontier
        frontier = {
            n for table_id in frontier for n in floor.neighbours.get(table_id, ()) if n in members
        } - reached
    return reached


def check_set(selection: Selection) -> tuple[Check, ...]:
    """Every rule that does not depend on occupancy, in order of precedence, each exactly once."""
    checks = (
        _in_service(selection),
        _zone_requested(selection),
        _attributes(selection),
        *_combination(selection),
        _capacity(selection),
        _min_party(selection),
        _slack(selection),
    )
    ordered = sorted(checks, key=lambda check: PRECEDENCE[check.reason])
    return tuple(_overridden(check) if check.reason in selection.overrides else check for check in ordered)


def occupancy_checks(
    tables: Iterable[Table], window: Window, foreign: Iterable[Claim], time_zone: str
) -> tuple[Check, ...]:
    """One check per kind of claim. `foreign` are the live claims of others on these tables; messages tell their times
    in `time_zone`.
    """
    blocking = [claim for claim in foreign if claim.window.overlaps(window)]
    return tuple(
        _no_conflict(reason, tables, [claim for claim in blocking if claim.kind is kind], time_zone)
        for kind, reason in CONFLICT_REASON.items()
    )


def check_selection(selection: Selection, foreign: Iterable[Claim], time_zone: str) -> tuple[Check, ...]:
    """Every rule, in order of precedence."""
    return check_set(selection) + occupancy_checks(selection.tables, selection.window, foreign, time_zone)


def failed(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check.status is CheckStatus.ERROR)


def _overridden(check: Check) -> Check:
    """A broken rule that was set aside: a warning that still says what is broken."""
    if check.status is not CheckStatus.ERROR:
        return check
    return replace(check, status=CheckStatus.WARNING, message=f"Overridden: {check.message}")


def in_the_way(foreign: Iterable[Claim], limit: int = CONFLICTS_LISTED_MAX + 1) -> tuple[Conflict, ...]:
    """The first `limit` of these claims as conflicts, ordered by table, then by start.

    For a refusal that is one more than it lists, so that it can say that there are more.
    """
    ordered = sorted(foreign, key=lambda claim: (claim.table_id, claim.window.start))
    return tuple(claim.as_conflict() for claim in ordered[:limit])


def require(checks: Sequence[Check], foreign: Sequence[Claim] = ()) -> None:
    """Raises the first failed check by precedence, with all the others and the conflicting claims as details."""
    failures = failed(checks)
    if not failures:
        return
    first = failures[0]
    conflicts = in_the_way(foreign) if first.reason in CONFLICT_REASON.values() else ()
    raise ServiceError(
        Refusal(first.reason, first.message, first.metadata, conflicts=conflicts, checks=failures)
    )


def _check(
    reason: Reason, broken: bool, wrong: str, right: str, tables: Iterable[Table], **metadata: object
) -> Check:
    values = {key: str(value) for key, value in metadata.items()}
    if not broken:
        return Check(reason, CheckStatus.OK, right, (), values)
    ids = tuple(sorted(table.table_id for table in tables))
    return Check(reason, CheckStatus.ERROR, wrong, ids, values | ({"table_ids": _joined(ids)} if ids else {}))


def _in_service(selection: Selection) -> Check:
    out = [table for table in selection.tables if not table.in_service]
    return _check(
        Reason.TABLE_OUT_OF_SERVICE,
        bool(out),
        f"Out of service: {_names(out)}.",
        "Every table is in service.",
        out,
    )


def _zone_requested(selection: Selection) -> Check:
    wanted = selection.party.zone_id
    elsewhere = [table for table in selection.tables if wanted is not None and table.zone_id != wanted]
    return _check(
        Reason.ZONE_NOT_REQUESTED,
        bool(elsewhere),
        f"The booking asks for another zone than that of {_names(elsewhere)}.",
        "The tables stand in a zone the booking accepts.",
        elsewhere,
        zone_id=wanted or "",
    )


def _attributes(selection: Selection) -> Check:
    required = set(selection.party.required_attributes)
    lacking = {
        table: required - set(table.attributes)
        for table in selection.tables
        if required - set(table.attributes)
    }
    missing = sorted(set().union(*lacking.values()))
    return _check(
        Reason.REQUIRED_ATTRIBUTE_UNMET,
        bool(lacking),
        f"Required but missing at {_names(lacking)}: {', '.join(missing)}.",
        "Every required attribute is met.",
        lacking,
        attributes=",".join(missing or sorted(required)),
    )


def _combination(selection: Selection) -> Iterator[Check]:
    tables, rules = selection.tables, selection.policy.combinations
    merged = len(tables) > 1
    zones = sorted({str(table.zone_id) for table in tables})
    fixed = [table for table in tables if not table.movable] if merged else []
    yield _check(
        Reason.COMBINATION_DISABLED,
        merged and not rules.enabled,
        "The service policy does not allow merging tables.",
        "Merging is allowed, or not needed.",
        (),
        table_count=len(tables),
    )
    yield _check(
        Reason.COMBINATION_TOO_LARGE,
        merged and len(tables) > rules.tables_max,
        f"{len(tables)} tables are more than the {rules.tables_max} that may be merged.",
        "The number of tables is within the limit.",
        (),
        table_count=len(tables),
        tables_max=rules.tables_max,
    )
    yield _check(
        Reason.COMBINATION_CROSSES_ZONES,
        len(zones) > 1,
        "The tables stand in different zones.",
        "The tables stand in one zone.",
        (),
        zone_ids=",".join(zones),
    )
    yield _check(
        Reason.COMBINATION_TABLE_NOT_MOVABLE,
        bool(fixed),
        f"Fixed tables are only used alone: {_names(fixed)}.",
        "No fixed table is merged.",
        fixed,
    )
    yield _adjacent(selection)


def _adjacent(selection: Selection) -> Check:
    tables, rules = selection.tables, selection.policy.combinations
    free, size_min = not rules.adjacency_needed(selection.party.party_size), rules.adjacency_party_size_min
    adjacent = len(tables) == 1 or forms_merge(rules.adjacency_mode, selection.floor, selection.table_ids)
    return _check(
        Reason.COMBINATION_NOT_ADJACENT,
        not adjacent and not free,
        f"{_names(tables)} cannot be pushed together ({rules.adjacency_mode})"
        + (f", which parties from {size_min} on need." if size_min else "."),
        f"Parties below {size_min} may have tables that are not adjacent."
        if free
        else "The tables can be pushed together, or there is only one.",
        tables,
        adjacency_mode=rules.adjacency_mode,
        adjacency_party_size_min=size_min or "",
    )


def _capacity(selection: Selection) -> Check:
    size, tables = selection.party.party_size, selection.tables
    seats = tables[0].seats_alone if len(tables) == 1 else selection.capacity
    return _check(
        Reason.CAPACITY_INSUFFICIENT,
        seats < size,
        f"{_names(tables)} take{'s' if len(tables) == 1 else ''} {seats}; the party is {size}.",
        f"{seats} seats for a party of {size}.",
        (),
        party_size=size,
        capacity=seats,
    )


def _min_party(selection: Selection) -> Check:
    size = selection.party.party_size
    too_big = [table for table in selection.tables if table.min_party > size]
    smallest = max(table.min_party for table in selection.tables)
    return _check(
        Reason.CAPACITY_BELOW_MIN_PARTY,
        bool(too_big),
        f"A party of {size} is below the {smallest} that {_names(too_big)} {'is' if len(too_big) == 1 else 'are'} "
        "kept for.",
        "The party is large enough for every table.",
        too_big,
        party_size=size,
        min_party=smallest,
    )


def _slack(selection: Selection) -> Check:
    budget = selection.policy.slack_max
    return _check(
        Reason.SLACK_BUDGET_EXCEEDED,
        selection.slack > budget,
        f"{selection.slack} seats would stay empty; the policy allows {budget}.",
        "The empty seats are within the policy's budget.",
        (),
        slack=selection.slack,
        slack_max=budget,
    )


def _no_conflict(reason: Reason, tables: Iterable[Table], claims: list[Claim], time_zone: str) -> Check:
    if not claims:
        return Check(reason, CheckStatus.OK, _CLEAR[reason])
    claimed = {claim.table_id for claim in claims}
    table_ids = tuple(sorted(claimed))
    taken = [table for table in tables if table.table_id in claimed]
    conflicts = [claim.as_conflict() for claim in claims]
    start, end = min(c.window_start for c in conflicts), max(c.window_end for c in conflicts)
    free_from = max(c.free_from for c in conflicts)
    return Check(
        reason,
        CheckStatus.ERROR,
        f"{_first_names(taken)} {'is' if len(taken) == 1 else 'are'} {_TAKEN[reason]} between "
        f"{local_time(start, time_zone)} and {local_time(end, time_zone)}; "
        f"free from {local_time(free_from, time_zone)}.",
        table_ids,
        {
            "table_ids": _joined(table_ids),
            "window_start": start.isoformat(),
            "window_end": end.isoformat(),
            "free_from": free_from.isoformat(),
        },
    )


_TAKEN = {
    Reason.TABLE_BLOCKED: "blocked",
    Reason.TABLE_CONFLICT_ASSIGNED: "assigned to another booking",
    Reason.TABLE_CONFLICT_HELD: "held for another booking",
}
_CLEAR = {
    Reason.TABLE_BLOCKED: "No block covers the window.",
    Reason.TABLE_CONFLICT_ASSIGNED: "No other assignment overlaps the window.",
    Reason.TABLE_CONFLICT_HELD: "No other hold overlaps the window.",
}


def _names(tables: Iterable[Table]) -> str:
    return ", ".join(sorted(table.name for table in tables))


def _first_names(tables: Sequence[Table]) -> str:
    """As many as a set can have: a block, or tables taken off a floor, may be many more."""
    names = sorted(table.name for table in tables)
    more = len(names) - SELECTION_TABLES_MAX
    return ", ".join(names[:SELECTION_TABLES_MAX]) + (f" and {more} more" if more > 0 else "")


def _joined(ids: Iterable[UUID]) -> str:
    return ",".join(str(table_id) for table_id in ids)
