"""What operators are told to watch, under the names that the page on operations gives it."""

from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from server.telemetry.metrics import GroupMetrics, LoadMetrics, WatchMetrics

Told = dict[tuple[str, *tuple[tuple[str, str], ...]], float]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetricReader:
    """Reads what is measured by whoever names no provider."""
    reader = InMemoryMetricReader()
    monkeypatch.setattr(metrics, "get_meter", MeterProvider([reader]).get_meter)
    return reader


def told_by(reader: InMemoryMetricReader) -> Told:
    """Values, or sums of them, by name and labels."""
    data: Any = reader.get_metrics_data()
    return {
        (metric.name, *point.attributes.items()): getattr(point, "value", None) or point.sum
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }


def test_watchers_are_those_who_came_and_did_not_leave(reader: InMemoryMetricReader) -> None:
    watchers = WatchMetrics()
    for _ in range(3):
        watchers.joined()
    watchers.left()
    watchers.sent_back("slow")
    assert told_by(reader) == {
        ("maitred.watch.watchers",): 2,
        ("maitred.watch.resumes_required", ("cause", "slow")): 1,
    }


def test_changes_that_share_a_transaction_are_told_by_what_came_of_it(reader: InMemoryMetricReader) -> None:
    groups = GroupMetrics(lambda: 3)
    groups.ended(5, committed=True)
    groups.ended(7, committed=True)
    groups.ended(2, committed=False)
    assert told_by(reader) == {
        ("maitred.group.members", ("outcome", "committed")): 12,
        ("maitred.group.members", ("outcome", "failed")): 2,
        ("maitred.group.queued",): 3,
    }


def test_what_a_server_has_in_hand_is_told_by_kind(reader: InMemoryMetricReader) -> None:
    LoadMetrics({"call": lambda: 4, "stream": lambda: 9})
    assert told_by(reader) == {
        ("maitred.server.in_work", ("kind", "call")): 4,
        ("maitred.server.in_work", ("kind", "stream")): 9,
    }
