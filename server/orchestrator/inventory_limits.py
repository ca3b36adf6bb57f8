"""Keeps floors and policies within what can always be planned completely."""

from server.domain.floor import Floor
from server.domain.limits import COMBINATIONS_MAX
from server.domain.policy import Combinations
from server.errors import bad_field
from server.planner.catalog import count_combinations


def require_enumerable(floor: Floor, combinations: Combinations, field_path: str) -> None:
    """Refuses a floor with more possible merges than planning can look at one by one."""
    found = count_combinations(floor, combinations, COMBINATIONS_MAX + 1)
    if found > COMBINATIONS_MAX:
        remedy = (
            "ask for adjacency from every party" if combinations.some_merge_freely else "remove adjacencies"
        )
        raise bad_field(
            field_path,
            f"the floor would have more than {COMBINATIONS_MAX} possible merges of up to "
            f"{combinations.tables_max} tables; {remedy}, or allow fewer tables per merge",
            limit=COMBINATIONS_MAX,
        )
