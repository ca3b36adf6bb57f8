"""What users convert stays what it was."""

import doctest
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitred.v1.assignment_pb2 import HOLD_STATE_ACTIVE, Hold
from maitred.v1.inventory_pb2 import ServicePolicy
from maitred_client import duration, instant, new_request_id, timestamp, to_dict, values

# Hypothesis wants its bounds without a time zone and adds one itself.
EARLIEST = datetime(1, 1, 2)  # noqa: DTZ001
LATEST = datetime(9999, 12, 30)  # noqa: DTZ001


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(values)
    assert result.attempted > 0
    assert result.failed == 0


@given(st.datetimes(min_value=EARLIEST, max_value=LATEST, timezones=st.timezones()))
def test_an_instant_survives_the_way_there_and_back(moment: datetime) -> None:
    assert instant(timestamp(moment)) == moment.astimezone(UTC)


@given(st.timedeltas(min_value=timedelta(days=-3000), max_value=timedelta(days=3000)))
def test_a_length_survives_the_way_there_and_back(length: timedelta) -> None:
    assert duration(length).ToTimedelta() == length


def test_the_hour_that_comes_twice_is_told_apart_by_its_fold() -> None:
    first = datetime(2026, 10, 25, 1, 30, tzinfo=ZoneInfo("Europe/London"))
    assert instant(timestamp(first.replace(fold=1))) - instant(timestamp(first)) == timedelta(hours=1)


def test_a_datetime_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        timestamp(datetime(2031, 5, 1, 19, 30))  # noqa: DTZ001


def test_a_message_becomes_json_under_the_contracts_own_names() -> None:
    hold = Hold(
        hold_id="h1",
        state=HOLD_STATE_ACTIVE,
        policy_version=3,
        expires_at=timestamp(datetime(2031, 5, 1, tzinfo=UTC)),
    )
    document = json.loads(json.dumps(to_dict(hold)))
    assert document["hold_id"] == "h1"
    assert document["state"] == "HOLD_STATE_ACTIVE"
    assert document["expires_at"] == "2031-05-01T00:00:00Z"
    assert document["policy_version"] == "3"
    assert document["table_ids"] == []
    assert "window_start" not in document


def test_an_optional_field_that_was_not_set_is_left_out() -> None:
    assert "slack_max" not in to_dict(ServicePolicy())
    assert to_dict(ServicePolicy(slack_max=0))["slack_max"] == 0


def test_request_ids_are_uuids_and_never_the_same() -> None:
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert {UUID(request_id).version for request_id in ids} == {4}
