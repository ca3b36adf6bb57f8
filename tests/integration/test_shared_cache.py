"""Floors in a real Redis: shared between processes, never wrong, and never in the way when it is not there."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from redis.asyncio.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from server.bootstrap import serving
from server.cache import shared as cache_module
from server.cache.inventories import Key
from server.cache.shared import SharedInventories
from server.config import Settings, load_settings
from server.domain.floor import Floor, Table, Zone
from server.domain.policy import ExpectedParties, ServicePeriod, ServicePolicy, TurnTime
from server.orchestrator.ports import Inventory
from server.telemetry.metrics import CacheMetrics
from tests.builders.world_extras import house
from tests.conftest import Served
from tests.support.redis import PASSWORD, TestRedis, running_redis

PATIENCE_S = 60.0
RESTAURANT, ZONE = UUID(int=1), UUID(int=2)
KEY: Key = (RESTAURANT, 3, 4)
TABLES = [Table(UUID(int=10 + n), ZONE, f"T{n}", 4, 1, 4, True, ("window",)) for n in range(3)]
FLOOR = Floor.of([Zone(ZONE, "Hall")], TABLES, [(TABLES[0].table_id, TABLES[1].table_id)])
INVENTORY = Inventory(3, 4, FLOOR, ServicePolicy(()))
MEMBERS = """
adjacency adjacency_mode adjacency_party_size_min attributes auto_assign_bookings auto_assign_cutoff_s buffer_after_s
buffer_before_s capacity check_in_lead_s closes_min combinations days duration_s enabled engine floor forecast
fragmentation in_service inventory_version lookahead max_party may_overrun merge merge_partner min_party movable name
open_gap opens_min parties party_size party_size_max periods policy policy_version preferred_attribute preferred_zone
relaxations scarcity shortest_stay_s slack_max sort_order spare_seat table_id tables tables_max turn_times
unusable_gap weights zone_id zones
"""


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """On which a Redis that is there may take its time."""
    monkeypatch.setattr(cache_module, "TIMEOUT_S", PATIENCE_S)


@pytest.fixture
async def redis() -> AsyncIterator[TestRedis]:
    async with running_redis() as server:
        yield server


def shared(redis: TestRedis, database: str | None = "cluster.1.7") -> SharedInventories:
    cache = SharedInventories(redis.url, 60.0, CacheMetrics())
    cache.on_channel(database)
    return cache


async def test_what_one_process_put_another_gets(redis: TestRedis) -> None:
    here, there = shared(redis), shared(redis)
    # Views that the floor has computed meanwhile don't travel.
    assert FLOOR.neighbours
    await here.put(KEY, INVENTORY)
    assert await there.get(KEY) == INVENTORY
    assert await there.get((RESTAURANT, 3, 5)) is None
    for cache in (here, there):
        await cache.close()


@pytest.mark.parametrize("user", [f":{PASSWORD}", "m%40itred:p%2Fw"])
async def test_the_address_names_the_user_or_nobody(user: str, redis: TestRedis) -> None:
    async with redis.client() as client:
        await client.acl_setuser(
            "m@itred", enabled=True, passwords=["+p/w"], keys=["*"], categories=["+@all"]
        )
    cache = SharedInventories(redis.url.replace(f"default:{PASSWORD}", user), 60.0, CacheMetrics())
    cache.on_channel("cluster.1.7")
    await cache.put(KEY, INVENTORY)
    assert await cache.get(KEY) == INVENTORY
    await cache.close()


@pytest.mark.parametrize(
    ("url", "place", "tls"),
    [
        ("redis://", ("127.0.0.1", 6_379, 0), False),
        ("rediss://cache.example:7000/3", ("cache.example", 7_000, 3), True),
    ],
)
async def test_the_address_names_host_port_number_and_whether_it_is_encrypted(
    url: str, place: tuple[str, int, int], tls: bool
) -> None:
    pool = cache_module._opened(url, 60.0).client.connection_pool
    asked = pool.connection_kwargs
    assert (asked["host"], asked["port"], asked["db"]) == place
    assert issubclass(pool.connection_class, SSLConnection) is tls


def members(document: object) -> set[str]:
    """The names that a document has for anything."""
    if isinstance(document, dict):
        return set(document) | members(list(document.values()))
    return {name for part in document for name in members(part)} if isinstance(document, list) else set()


def test_documents_with_other_members_have_another_number() -> None:
    """What the version beside this one does not know, it would leave out, and what it left out is a default here."""
    period = ServicePeriod("day", 600, 1_380, (TurnTime(2, 7_200),))
    policy = ServicePolicy((period,), forecast=(ExpectedParties(2, 3),))
    document = msgspec.json.decode(msgspec.json.encode(Inventory(3, 4, FLOOR, policy)))
    assert (cache_module.FORM, members(document)) == (1, set(MEMBERS.split()))


async def test_a_document_goes_by_itself_after_a_while(redis: TestRedis) -> None:
    cache = shared(redis)
    await cache.put(KEY, INVENTORY)
    async with redis.client() as client:
        [name] = await client.keys("*")
        assert 0 < await client.pttl(name) <= 60_000
    await cache.close()


@pytest.mark.parametrize("verb", ["get", "psetex"])
async def test_a_redis_that_goes_away_with_who_asks_it_is_no_error_of_a_task(
    verb: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client makes one of the two of it."""
    asked = asyncio.Event()

    async def lose(*_: object, **__: object) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RedisConnectionError("Connection closed by server.") from None

    cache = SharedInventories("redis://127.0.0.1:1", 60.0, CacheMetrics())
    cache.on_channel("cluster.1.7")
    monkeypatch.setattr(cache._cache.client, verb, lose)
    work = cache.get(KEY) if verb == "get" else cache.put(KEY, INVENTORY)
    asking = asyncio.create_task(work)
    await asked.wait()
    asking.cancel()
    await asyncio.wait({asking})
    del asking, work
    gc.collect()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
    await cache.close()


async def test_another_history_of_the_data_finds_nothing(redis: TestRedis) -> None:
    before, after = shared(redis), shared(redis, "cluster.2.7")
    await before.put(KEY, INVENTORY)
    assert await after.get(KEY) is None
    for cache in (before, after):
        await cache.close()


async def test_nothing_is_kept_or_found_while_it_is_unknown_which_history_it_is(redis: TestRedis) -> None:
    cache = shared(redis)
    await cache.put(KEY, INVENTORY)
    cache.on_channel(None)
    assert await cache.get(KEY) is None
    await cache.put((RESTAURANT, 9, 9), INVENTORY)
    async with redis.client() as client:
        assert len(await client.keys("*")) == 1
    await cache.close()


async def test_a_garbled_document_is_none(redis: TestRedis) -> None:
    cache = shared(redis)
    await cache.put(KEY, INVENTORY)
    async with redis.client() as client:
        [name] = await client.keys("*")
        await client.set(name, b'{"inventory_version": "three"}')
    assert await cache.get(KEY) is None
    await cache.close()


@pytest.mark.parametrize(("rest_s", "asked"), [(3_600.0, 1), (-1.0, 3)])
@pytest.mark.parametrize("puts", [False, True])
async def test_a_redis_that_is_away_is_left_alone_for_a_while(
    rest_s: float, asked: int, puts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "REST_S", rest_s)
    reader = InMemoryMetricReader()
    cache = SharedInventories("redis://127.0.0.1:1", 60.0, CacheMetrics(MeterProvider([reader])))
    cache.on_channel("cluster.1.7")
    for _ in range(3):
        await (cache.put(KEY, INVENTORY) if puts else cache.get(KEY))
    data: Any = reader.get_metrics_data()
    (failures,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert (failures.name, failures.data.data_points[0].value) == ("maitred.cache.failures", asked)


@pytest.mark.parametrize("puts", [False, True])
async def test_a_redis_that_says_nothing_counts_as_away(puts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "TIMEOUT_S", 0.05)
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    reader = InMemoryMetricReader()
    cache = SharedInventories(
        f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}", 60.0, CacheMetrics(MeterProvider([reader]))
    )
    cache.on_channel("cluster.1.7")
    # Its client would wait for 5 s.
    async with asyncio.timeout(4):
        await (cache.put(KEY, INVENTORY) if puts else cache.get(KEY))
    assert reader.get_metrics_data() is not None
    await cache.close()
    silent.close()


async def test_a_redis_that_is_away_is_no_error(redis: TestRedis) -> None:
    never_there = SharedInventories("redis://127.0.0.1:1", 60.0, CacheMetrics())
    never_there.on_channel("cluster.1.7")
    caches = (shared(redis), never_there)
    await redis.kill()
    for cache in caches:
        assert await cache.get(KEY) is None
        await cache.put(KEY, INVENTORY)
        await cache.close()


async def test_servers_share_floors_and_go_on_without_redis(redis: TestRedis, server: Served) -> None:
    settings: Settings = load_settings(port=0, log_level="error", cache="redis", redis_url=redis.url)
    async with serving(settings, server.database_url) as running:
        through = Served(running.address, server.database_url, server.tenant_id)
        async with through.client() as client:
            place = await house(client)
            assert (await place.plan(await place.party(2))).plans
            async with redis.client() as other:
                names = [str(name) for name in await other.keys("*")]
            assert any(place.restaurant_id in name for name in names), names
            await redis.kill()
            await place.update("W1", capacity=7)
            assert {table.capacity for table in (await place.floor()).tables if table.name == "W1"} == {7}
            assert (await place.plan(await place.party(2))).plans
