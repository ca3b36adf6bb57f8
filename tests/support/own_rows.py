"""A database that several tests use at once, in which each sees the rows of its own tenant and no others.

Every table that belongs to a tenant or to its restaurants has a view of its name in a schema that comes first on the
search path, so that a test asks as if the database were its own: ``SELECT count(*) FROM holds`` counts its own holds.
"""

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from tests.support.database import connected

_SCHEMA: Final = "own_rows"
_TENANT: Final = "maitred_tests.tenant"
_OWNED_TABLES: Final = """
    SELECT columns.table_name::text AS name, bool_or(column_name = 'tenant_id') AS by_tenant
    FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name IN ('tenant_id', 'restaurant_id')
    GROUP BY columns.table_name
"""
_OF_TENANT: Final = f"tenant_id = current_setting('{_TENANT}')::uuid"
_OF_RESTAURANT: Final = f"restaurant_id IN (SELECT restaurant_id FROM public.restaurants WHERE {_OF_TENANT})"


async def make_views(url: str) -> None:
    """Makes the views in this database. It stays the same for whoever comes by its plain URL, as a server does."""
    async with connected(url) as connection, connection.transaction():
        await connection.execute(f"CREATE SCHEMA {_SCHEMA}")
        for name, by_tenant in await connection.fetch(_OWNED_TABLES):
            condition = _OF_TENANT if by_tenant else _OF_RESTAURANT
            await connection.execute(
                f'CREATE VIEW {_SCHEMA}."{name}" AS SELECT * FROM public."{name}" WHERE {condition}'
            )


def url_of_own_rows(url: str, tenant_id: UUID) -> str:
    """Where this tenant's rows are read and changed, of a database that has the views."""
    path = urlencode({"search_path": f"{_SCHEMA},public", _TENANT: str(tenant_id)})
    return f"{url}{'&' if '?' in url else '?'}{path}"
