"""Builds what tells and hears of committed changes, and what lives from that: cached floors and watched floors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from server.cache.diaries import CachedDiaries, DiaryLimits
from server.cache.follower import CacheFollower
from server.cache.inventories import CachedInventories, CacheLimits
from server.config import Settings
from server.domain.announcement import ChangeHearer
from server.lifecycle import Part, closing_part, service_part
from server.orchestrator.floor_feed import FeedSettings, FloorFeed
from server.persistence.announcer import Announcer
from server.persistence.floor_log import SqlFloorLog
from server.persistence.listener import Listener, ListenerSettings
from server.persistence.pool import Pool, PoolSettings
from server.persistence.reader import SqlCatalogue
from server.telemetry.metrics import CacheMetrics, WatchMetrics


class SharedCache(ChangeHearer, Protocol):
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class News:
    """The parts of one process."""

    announcer: Announcer
    listener: Listener
    feed: FloorFeed
    floor_log: SqlFloorLog
    inventories: CachedInventories
    diaries: CachedDiaries
    follower: CacheFollower
    shared: SharedCache | None

    @classmethod
    def of(
        cls, settings: Settings, url: str, pool: Pool, announcer: Announcer, catalogue: SqlCatalogue
    ) -> "News":
        limits = CacheLimits(settings.inventories_cached_max, settings.inventory_ttl_s)
        metrics = CacheMetrics()
        shared = None
        if settings.cache == "redis" and settings.redis_url is not None:
            # Its driver is only loaded where it is used.
            from server.cache.shared import SharedInventories

            shared = SharedInventories(
                settings.redis_url.get_secret_value(), settings.inventory_ttl_s, metrics
            )
        inventories = CachedInventories(limits, metrics, shared)
        follower = CacheFollower(inventories, catalogue)
        diary_limits = DiaryLimits(settings.claims_cached_max, limits.ttl_s, limits.entries_max)
        diaries = CachedDiaries(catalogue, diary_limits, CacheMetrics(name="diaries"))
        floor_log = SqlFloorLog(pool, settings.deadline_s_default, inventories)
        feed_settings = FeedSettings(queue_max=settings.watch_queue_max, poll_s=settings.watch_poll_s)
        feed = FloorFeed(floor_log, feed_settings, WatchMetrics())
        hearers: list[ChangeHearer] = [feed, *([shared] if shared else []), diaries, follower]
        listener_settings = ListenerSettings(probe_s=settings.listen_probe_s)
        return cls(
            announcer,
            Listener(pool_settings(settings, url), listener_settings, hearers),
            feed,
            floor_log,
            inventories,
            diaries,
            follower,
            shared,
        )

    def parts(self) -> Iterator[Part]:
        """What has to run before calls are taken, and to stop after the last one."""
        if self.shared is not None:
            yield closing_part("shared cache", self.shared.close)
        yield service_part("announcer", self.announcer)
        yield service_part("cache follower", self.follower)
        yield service_part("listener", self.listener)

    def feed_part(self) -> Part:
        return service_part("floor feed", self.feed)


def pool_settings(settings: Settings, url: str) -> PoolSettings:
    return PoolSettings(
        url,
        size_min=settings.pool_size_min,
        size_max=settings.pool_size_max,
        statement_timeout_s=settings.deadline_s_max,
        statement_cache_size=settings.statement_cache_size,
    )
