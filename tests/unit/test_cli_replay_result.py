"""The figures of a replay."""

import re
from datetime import date

import pytest

from maitred_client.messages import ErrorReason, PlanOutcome, PlanTablesResponse, Rejection
from server.cli.plan_choice import refusal_reason
from server.cli.replay_result import BookingResult, DayResult, quantile_of
from tests.support.programs import ROOT


def day(*bookings: BookingResult) -> DayResult:
    return DayResult("friday", "Chez Test", "id", date(2026, 3, 13), date(2026, 3, 20), 2, 10, 300, bookings)


def rejected(reason: str, tables: int, combinations: int = 0) -> Rejection:
    return Rejection(
        reason=ErrorReason.Value(f"ERROR_REASON_{reason}"), tables=tables, combinations=combinations
    )


def test_a_day_counts_guests_merges_refusals_and_seat_use() -> None:
    figures = day(
        BookingResult(1, 4, ("T1", "T2"), 75.0, 3.0),
        BookingResult(2, 2, ("T1",), 60.0, 5.0),
        BookingResult(3, 9, refused="CAPACITY_INSUFFICIENT"),
        BookingResult(4, 2, refused="TABLE_CONFLICT_ASSIGNED"),
        BookingResult(5, 2, refused="TABLE_CONFLICT_ASSIGNED"),
    ).to_json()
    assert (figures["day"], figures["requested"], figures["seated"]) == ("friday", 5, 2)
    assert (figures["covers_requested"], figures["covers"], figures["merges"]) == (19, 6, 1)
    assert list(figures["refused"].items()) == [("TABLE_CONFLICT_ASSIGNED", 2), ("CAPACITY_INSUFFICIENT", 1)]
    assert figures["seat_use"] == pytest.approx((4 * 75 + 2 * 60) / (10 * 300))
    assert (figures["p50_ms"], figures["p95_ms"], figures["max_ms"]) == (3.0, 5.0, 5.0)


def test_the_page_about_service_days_has_every_figure() -> None:
    page = (ROOT / "docs" / "service-days.md").read_text().partition("| Figure |")[2]
    told = [name for cell in re.findall(r"^\| (`.+?) \|", page, re.MULTILINE) for name in cell.split(", ")]
    assert sorted(told) == sorted(f"`{name}`" for name in day().to_json())


def test_a_day_without_requests_has_figures_too() -> None:
    figures = day().to_json()
    assert (figures["requested"], figures["seated"], figures["seat_use"], figures["p95_ms"]) == (
        0,
        0,
        0.0,
        0.0,
    )


@pytest.mark.parametrize(
    ("quantile", "expected"), [(0.0, 1.0), (0.5, 10.0), (0.95, 19.0), (0.951, 20.0), (1.0, 20.0)]
)
def test_quantiles_are_values_that_were_measured(quantile: float, expected: float) -> None:
    values = [float(value) for value in range(20, 0, -1)]
    assert quantile_of(values, quantile) == expected


def test_a_full_floor_is_refused_for_what_takes_it_however_many_tables_are_too_small() -> None:
    response = PlanTablesResponse(
        outcome=PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN,
        rejections=[
            rejected("CAPACITY_INSUFFICIENT", 12, 30),
            rejected("TABLE_BLOCKED", 1),
            rejected("TABLE_CONFLICT_ASSIGNED", 2, 1),
        ],
    )
    assert refusal_reason(response) == "TABLE_CONFLICT_ASSIGNED"


def test_a_party_that_nothing_seats_is_refused_for_what_left_out_most_sets() -> None:
    response = PlanTablesResponse(
        outcome=PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF,
        rejections=[
            rejected("COMBINATION_REDUNDANT", 0, 90),
            rejected("CAPACITY_INSUFFICIENT", 12, 30),
            rejected("SLACK_BUDGET_EXCEEDED", 1, 3),
        ],
    )
    assert refusal_reason(response) == "CAPACITY_INSUFFICIENT"


def test_equal_counts_go_by_the_precedence_of_the_contract() -> None:
    rejections = [rejected("CAPACITY_BELOW_MIN_PARTY", 3), rejected("CAPACITY_INSUFFICIENT", 1, 2)]
    for order in (rejections, rejections[::-1]):
        response = PlanTablesResponse(outcome=PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF, rejections=order)
        assert refusal_reason(response) == "CAPACITY_INSUFFICIENT"


def test_an_empty_plan_without_rejections_is_refused_for_its_outcome() -> None:
    response = PlanTablesResponse(outcome=PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF)
    assert refusal_reason(response) == "NEEDS_STAFF"
