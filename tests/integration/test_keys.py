"""What belongs to a restaurant is named by it: nothing can refer to another restaurant's things."""

from tests.support.database import rows

# Each key's table, kind and columns, or what is made of them, and the table that a foreign key refers to.
KEYS = """
    SELECT
        c.conrelid::regclass::text AS of,
        c.contype::text AS kind,
        c.confrelid::regclass::text AS refers_to,
        ARRAY(
            SELECT coalesce(a.attname::text, pg_get_indexdef(c.conindid, k.place::int, true))
            FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, place)
            LEFT JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
            ORDER BY k.place
        ) AS columns
    FROM pg_constraint AS c
    WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('p', 'f', 'x')
"""
# What is a tenant's or the deployment's. Telemetry outlives what it is about and refers to nothing.
OF_NO_RESTAURANT = {"tenants", "idempotency_ledger", "switches", "schema_migrations", "telemetry_events"}


async def test_every_key_of_what_a_restaurant_has_begins_with_the_restaurant(database_url: str) -> None:
    keys = [key for key in await rows(database_url, KEYS) if key["refers_to"] != "tenants"]
    assert {key["of"] for key in keys if "restaurant_id" not in key["columns"][0]} == OF_NO_RESTAURANT
    within = [key for key in keys if key["kind"] == "f" and key["refers_to"] != "restaurants"]
    assert len(within) > 10
    assert [key for key in within if len(key["columns"]) < 2] == []
