"""Who hears of committed changes in a process, and by which settings."""

from typing import Any, cast

import pytest

from server import news
from server.config import load_settings
from server.news import News
from server.persistence.listener import ListenerSettings
from server.persistence.pool import PoolSettings


def test_everything_that_is_kept_hears_of_changes_and_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "Listener", lambda *parts: parts)
    settings = load_settings(
        cache="redis",
        redis_url="redis://127.0.0.1:1/0",
        listen_probe_s=7,
        pool_size_min=3,
        pool_size_max=5,
        deadline_s_max=40,
        statement_cache_size=0,
    )
    nothing = cast("Any", None)
    parts = News.of(settings, "postgresql://a@b/c", nothing, nothing, nothing)
    pool, listening, hearers = cast("Any", parts.listener)
    assert set(hearers) == {parts.feed, parts.shared, parts.diaries, parts.follower}
    assert listening == ListenerSettings(probe_s=7)
    assert pool == PoolSettings(
        "postgresql://a@b/c", size_min=3, size_max=5, statement_timeout_s=40, statement_cache_size=0
    )
