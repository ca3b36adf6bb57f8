"""What PostgreSQL's own types are made of, asked once for the whole process.

asyncpg knows these types, but not their arrays and ranges. On every new connection it asks what they are made of when a
statement first has one, which takes two round trips or three. After a failover every connection of every process is
new, and the database has better things to do.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

import asyncpg

# Lower numbers are written in PostgreSQL's source and mean the same type in every database, of whatever version.
OWN_TYPES_END: Final = 10_000

# As asyncpg's answer names the statement that it asked by. None was, so none has to be prepared again because of it.
_NOT_ASKED: Final = SimpleNamespace(name="not asked")

_known: dict[frozenset[int], Sequence[Any]] = {}


class KnowingConnection(asyncpg.Connection):
    """A connection that asks what types are made of only where no connection before it has asked the same."""

    async def _introspect_types(self, typeoids: Sequence[int], timeout: float | None) -> Any:
        """In place of asyncpg's own, which offers no other way in. Where that has changed, a test fails."""
        wanted = frozenset(typeoids)
        if wanted in _known:
            return _known[wanted], _NOT_ASKED
        found, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]
        if max(wanted) < OWN_TYPES_END:
            _known[wanted] = found
        return found, statement
