"""`rules_in_force` and `overlap_refused` miss each constraint that is gone, weaker than it was, or turned off."""

from collections.abc import Iterator

import pytest

from server.config import load_settings
from server.diagnosis import diagnose
from server.persistence.invariants import LOOKING
from tests.support.database import Connection, connected

# Whatever refers from one of the tables that the check is about to another, and what else has to hold for their rows.
RULES = """
    SELECT c.oid, c.conname::text AS name, c.conrelid::regclass::text AS place, c.contype::text AS kind
    FROM pg_constraint AS c
    WHERE c.contype IN ('f', 't') AND c.confrelid <> 'restaurants'::regclass AND c.conrelid IN (
        'bookings'::regclass, 'booking_history'::regclass, 'holds'::regclass, 'assignments'::regclass,
        'merge_groups'::regclass, 'blocks'::regclass, 'table_claims'::regclass, 'tables'::regclass,
        'table_adjacency'::regclass
    )
    OR c.conname IN (
        'bookings_confirmed_has_tables', 'bookings_lifecycle', 'table_claims_one_owner', 'table_claims_bounded',
        'table_claims_only_holds_unenforced'
    )
"""
DROP = "ALTER TABLE table_claims DROP CONSTRAINT table_claims_no_overlap"
ADD = "ALTER TABLE table_claims ADD CONSTRAINT table_claims_no_overlap "
SIMPLE = "EXCLUDE USING gist (during WITH =, during WITH =, during WITH {last}) WHERE ({where})"
WEAKER = {
    "gone": (DROP,),
    "of another table": (DROP, ADD.replace("table_claims", "holds", 1) + "CHECK (true)"),
    "of another kind": (DROP, ADD + "CHECK (enforced OR kind = 'hold')"),
    "checked at the end of a transaction": (
        DROP,
        ADD + SIMPLE.format(last="&&", where="enforced") + " DEFERRABLE",
    ),
    "of fewer columns": (DROP, ADD + "EXCLUDE USING gist (during WITH &&) WHERE (enforced)"),
    "of windows that are the same": (DROP, ADD + SIMPLE.format(last="=", where="enforced")),
    "of some claims": (DROP, ADD + SIMPLE.format(last="&&", where="enforced AND kind = 'block'")),
    "of another name": (
        "ALTER TABLE table_claims RENAME CONSTRAINT table_claims_no_overlap TO table_claims_overlap",
    ),
    "not validated": (
        "UPDATE pg_constraint SET convalidated = false WHERE conname = 'table_claims_no_overlap'",
    ),
    "of an index that is not": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'table_claims_no_overlap'::regclass",
    ),
}


async def said(connection: Connection, check_id: str, *statements: str) -> list[str]:
    """What the check says after these statements, which are undone."""
    transaction = connection.transaction()
    await transaction.start()
    for statement in statements:
        await connection.execute(statement)
    found = await connection.fetch(LOOKING[check_id], None, 100)
    await transaction.rollback()
    return [row["message"].removeprefix("the constraint ") for row in found]


async def test_each_rule_that_is_gone_not_validated_or_turned_off_is_named(database_url: str) -> None:
    async with connected(database_url) as connection:
        rules = await connection.fetch(RULES)
        assert len(rules) > 20
        assert await said(connection, "rules_in_force", "SET LOCAL quote_all_identifiers = on") == []
        for oid, name, place, kind in rules:
            for problem, statement in ways(oid, name, place, kind):
                assert await said(connection, "rules_in_force", statement) == [f"{name} {problem}"]
        assert await said(connection, "rules_in_force", *(always(place) for _, _, place, _ in rules)) == []


def ways(oid: int, name: str, place: str, kind: str) -> Iterator[tuple[str, str]]:
    trigger = kind == "t"
    yield (
        "is missing",
        f"DROP TRIGGER {name} ON {place}" if trigger else f"ALTER TABLE {place} DROP CONSTRAINT {name}",
    )
    yield "is not validated", f"UPDATE pg_constraint SET convalidated = false WHERE oid = {oid}"
    if kind != "c":
        yield "is turned off", f"UPDATE pg_trigger SET tgenabled = 'R' WHERE tgconstraint = {oid}"


def always(place: str) -> str:
    """Triggers that fire even where others do not are none that are turned off."""
    return f"UPDATE pg_trigger SET tgenabled = 'A' WHERE tgrelid = '{place}'::regclass"


async def test_only_the_constraint_as_it_was_made_refuses_overlaps(database_url: str) -> None:
    async with connected(database_url) as connection:
        assert await said(connection, "overlap_refused") == []
        assert await said(connection, "overlap_refused", "SET LOCAL quote_all_identifiers = on") == []
        for name, statements in WEAKER.items():
            assert len(await said(connection, "overlap_refused", *statements)) == 1, name


@pytest.mark.parametrize("weaker", ["gone", "of some claims", "of another name"])
async def test_the_doctor_finds_a_constraint_that_keeps_no_tables_apart(
    database_url: str, weaker: str
) -> None:
    async with connected(database_url) as connection:
        for statement in WEAKER[weaker]:
            await connection.execute(statement)
    found = {each.name: each for each in await diagnose(load_settings(database_url=database_url))}
    assert not found["no table twice"].ok
    assert ("NOT refused" in found["no table twice"].detail) is (weaker != "of another name")
