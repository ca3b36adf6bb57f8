"""Which rules a table set keeps and breaks, remembered for as long as the floor and the policy are the same."""

from collections.abc import Hashable

from server.domain.rules import Selection, check_set
from server.errors import Check

SETS_KEPT_MAX = 4_096


class SetChecks:
    """Of one floor and one policy. What is remembered is what `check_set` answers, for the sets asked for last."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Check, ...]] = {}

    def of(self, selection: Selection) -> tuple[Check, ...]:
        """Every rule that does not depend on occupancy, in order of precedence, each exactly once."""
        party = selection.party
        key = (
            party.party_size,
            party.zone_id,
            party.required_attributes,
            selection.table_ids,
            selection.overrides,
        )
        checks = self._known.pop(key, None)
        if checks is None:
            checks = check_set(selection)
            if len(self._known) >= SETS_KEPT_MAX:
                del self._known[next(iter(self._known))]
        self._known[key] = checks
        return checks
