"""Rules that a caller may set aside for one table set: which they are, and who may.

Who sits where is a promise to others: no override touches claims, blocks, what is out of service, or tables that cannot
be pushed together at all because they are fixed or stand in different zones.
"""

from collections.abc import Iterable

from server.domain.policy import RELAXABLE, ServicePolicy
from server.domain.restaurant import Caller
from server.errors import PRECEDENCE, Reason, refuse

OVERRIDE_SCOPE = "override"

OVERRIDABLE = (
    Reason.ZONE_NOT_REQUESTED,
    Reason.REQUIRED_ATTRIBUTE_UNMET,
    Reason.COMBINATION_DISABLED,
    Reason.COMBINATION_TOO_LARGE,
    Reason.COMBINATION_NOT_ADJACENT,
    Reason.CAPACITY_INSUFFICIENT,
    Reason.CAPACITY_BELOW_MIN_PARTY,
    Reason.SLACK_BUDGET_EXCEEDED,
)
"""In order of precedence."""

assert set(RELAXABLE) <= set(OVERRIDABLE)


def beyond_policy(overrides: Iterable[Reason], policy: ServicePolicy) -> tuple[Reason, ...]:
    """The overrides that the policy does not grant to everybody, in order of precedence."""
    return tuple(sorted(set(overrides) - set(policy.relaxations), key=PRECEDENCE.__getitem__))


def require_permission(caller: Caller, policy: ServicePolicy, overrides: Iterable[Reason]) -> None:
    """OVERRIDE_NOT_PERMITTED unless the policy or the caller's scopes cover every override that was asked for.

    Needed or not: what a caller may ask for does not depend on what the floor looks like at the moment.
    """
    missing = beyond_policy(overrides, policy)
    if missing and OVERRIDE_SCOPE not in caller.scopes:
        raise refuse(
            Reason.OVERRIDE_NOT_PERMITTED,
            f"Setting aside {', '.join(missing)} takes the scope {OVERRIDE_SCOPE!r}; the policy does not relax it.",
            reasons=",".join(missing),
            scope=OVERRIDE_SCOPE,
        )
