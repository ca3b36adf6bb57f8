"""An address leads to several hosts, of which one can be used."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from server.persistence import hosts
from server.persistence.hosts import each_host
from server.persistence.inspection import database_facts
from server.persistence.known_types import KnowingConnection
from server.persistence.pool import PoolSettings, connect, open_pool
from tests.support.database import connected
from tests.support.gate import Gate, gate_to_postgres


@asynccontextmanager
async def two_ways(url: str) -> AsyncIterator[tuple[Gate, Gate, str]]:
    """Two gates to the same database, and the address that names both."""
    async with gate_to_postgres(url) as (first, address), gate_to_postgres(url) as (second, _):
        yield first, second, address.replace(f":{first.port}/", f":{first.port},127.0.0.1:{second.port}/")


async def test_a_host_that_says_nothing_keeps_nobody_from_the_next(database_url: str) -> None:
    async with two_ways(database_url) as (first, second, address):
        first.stick()
        async with await open_pool(PoolSettings(address, size_min=1)) as pool:
            assert await pool.fetchval("SELECT 1") == 1
        assert (await database_facts(address)).version
        assert second.entered >= 2


async def test_the_first_host_is_used_for_as_long_as_it_can_be(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is.
    monkeypatch.setattr(hosts, "HEAD_START_S", 60.0)
    async with two_ways(database_url) as (first, second, address):
        connection = await connect(PoolSettings(address))
        await connection.close()
        assert (first.entered, second.entered) == (1, 0)
        await first.shut()
        connection = await connect(PoolSettings(address))
        await connection.close()
        assert second.entered == 1


async def test_of_several_hosts_one_is_used_that_takes_changes(database_url: str) -> None:
    async with connected(database_url) as owner, two_ways(database_url) as (_, _, address):
        name = urlsplit(address).path.strip("/")
        await owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
            await connect(PoolSettings(address))
        connection = await connect(PoolSettings(f"{address}&target_session_attrs=any"))
        assert await connection.fetchval("SHOW transaction_read_only") == "on"
        await connection.close()


async def test_what_a_database_says_is_told_rather_than_that_another_is_away(database_url: str) -> None:
    async with two_ways(database_url) as (first, _, address):
        await first.shut()
        stranger = address.replace("://", "://stranger:secret@", 1).replace("@maitred@", "@")
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="stranger"):
            await connect(PoolSettings(stranger))


class ReplicaConnection(KnowingConnection):
    """For as long as the address leads to a replica, as its PostgreSQL would say."""

    address_moved = False

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.told = "off" if self.address_moved else "on"

    def get_settings(self) -> Any:
        assert super().get_settings().in_hot_standby == "off"
        return SimpleNamespace(in_hot_standby=self.told)


async def test_connections_to_a_replica_are_left_as_soon_as_there_is_another_way(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=1), ReplicaConnection)
    async with pool:
        first = await pool.fetchval("SELECT pg_backend_pid()")
        monkeypatch.setattr(ReplicaConnection, "address_moved", True)
        second = await pool.fetchval("SELECT pg_backend_pid()")
        assert second != first
        assert await pool.fetchval("SELECT pg_backend_pid()") == second


def test_every_form_of_an_address_names_its_hosts() -> None:
    secret = quote("a,b@c", safe="")
    assert each_host(f"postgresql://me:{secret}@one:1,two/db?sslmode=require") == (
        f"postgresql://me:{secret}@one:1/db?sslmode=require",
        f"postgresql://me:{secret}@two/db?sslmode=require",
    )
    assert each_host("postgresql:///db?host=one,two&port=1,2&user=me") == (
        "postgresql:///db?host=one&port=1&user=me",
        "postgresql:///db?host=two&port=2&user=me",
    )
    assert each_host("postgresql:///db?host=one,two&port=1") == (
        "postgresql:///db?host=one&port=1",
        "postgresql:///db?host=two&port=1",
    )
    for single in ("postgresql://one/db", "postgresql:///db?host=%2Frun%2Fpg&port=5432", "postgresql:///db"):
        assert each_host(single) == (single,)
