"""What PostgreSQL says of how it ran a statement."""

from collections.abc import Iterator, Mapping
from typing import Any


def rows_met(plan: Mapping[str, Any], table: str) -> Iterator[float]:
    """How many rows of the table a plan has looked at, each time that it did."""
    return (looked_at for met, looked_at in tables_met(plan) if met == table)


def tables_met(plan: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The tables that a plan has looked at, each time with how many of their rows."""
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        passed_over = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        looked_at = plan["Actual Rows"] + sum(plan.get(name, 0) for name in passed_over)
        yield plan["Relation Name"], looked_at * plan["Actual Loops"]
    for inner in plan.get("Plans", ()):
        yield from tables_met(inner)
