"""Inventories in a Redis that several processes share, as JSON, under the identity of the database they came from."""

import asyncio
import time
from urllib.parse import unquote, urlsplit

import msgspec
import structlog
from aiocache import RedisCache
from aiocache.serializers import NullSerializer

from server.cache.inventories import Key
from server.domain.announcement import Announcement
from server.orchestrator.ports import Inventory
from server.telemetry.metrics import CacheMetrics

log = structlog.get_logger(__name__)

# The form of the documents; another form gets another number, so that old and new processes can share a Redis.
FORM = 1
TIMEOUT_S = 0.25
REST_S = 5.0
CONNECTIONS_MAX = 8


class SharedInventories:
    """Implements `InventoryDocuments` and `ChangeHearer`. Knows nothing while the notification channel is down.

    Keys name the database's history, so that one that was restored never finds what another has left; which history it
    is, is only certain while the channel is open. A Redis that does not answer is left alone for a while, and the
    database is asked instead.
    """

    def __init__(self, url: str, ttl_s: float, metrics: CacheMetrics) -> None:
        """`url` is redis://user:password@host:port/number, or rediss:// for TLS."""
        self._cache = _opened(url, ttl_s)
        self._metrics = metrics
        self._database: str | None = None
        self._rests_until_s = 0.0

    def on_change(self, announcement: Announcement) -> None:
        """Versions are in the keys."""

    def on_gap(self) -> None:
        """Versions and history are in the keys."""

    def on_channel(self, database: str | None) -> None:
        self._database = database

    async def get(self, key: Key) -> Inventory | None:
        name = self._name(key)
        if name is None:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                document = await self._cache.get(name)
            return None if document is None else msgspec.json.decode(document, type=Inventory)
        except msgspec.DecodeError:
            log.warning("shared_cache_garbled", key=name)
            return None
        except Exception as problem:  # noqa: BLE001  # a cache that fails in any way is a cache that is not there
            self._rest(problem)
            return None

    async def put(self, key: Key, inventory: Inventory) -> None:
        name = self._name(key)
        if name is None:
            return
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._cache.set(name, msgspec.json.encode(inventory))
        except Exception as problem:  # noqa: BLE001  # a cache that fails in any way is a cache that is not there
            self._rest(problem)

    async def close(self) -> None:
        await self._cache.client.aclose()

    def _name(self, key: Key) -> str | None:
        if self._database is None or time.monotonic() < self._rests_until_s:
            return None
        restaurant_id, inventory_version, policy_version = key
        return f"maitred:{FORM}:{self._database}:{restaurant_id}:{inventory_version}:{policy_version}"

    def _rest(self, problem: Exception) -> None:
        self._rests_until_s = time.monotonic() + REST_S
        self._metrics.failed()
        log.warning("shared_cache_away", problem=type(problem).__name__, rest_s=REST_S)


def _opened(url: str, ttl_s: float) -> RedisCache:
    """aiocache reads less of a URL than there can be in one, and asks for strings where we keep bytes."""
    parts = urlsplit(url)
    extra = {"username": unquote(parts.username)} if parts.username else {}
    return RedisCache(
        serializer=NullSerializer(encoding=None),
        endpoint=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        db=int(parts.path.strip("/") or 0),
        password=unquote(parts.password) if parts.password else None,
        ssl=parts.scheme == "rediss",
        pool_max_size=CONNECTIONS_MAX,
        create_connection_timeout=TIMEOUT_S,
        connection_pool_kwargs=extra,
        # Its own would have a task for each question, and nobody hears what fails in one that is cancelled.
        timeout=0,
        ttl=ttl_s,
    )
