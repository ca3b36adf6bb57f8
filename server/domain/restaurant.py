"""A restaurant and its versions."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Restaurant:
    """The unit of planning, locking and ordering. A version of 0 means that nothing has been put yet."""

    restaurant_id: UUID
    tenant_id: UUID
    name: str
    time_zone: str
    revision: int
    policy_version: int
    inventory_version: int
    floor_version: int

    @property
    def etag(self) -> str:
        return f"r{self.revision}"


def policy_etag(policy_version: int) -> str:
    return f"p{policy_version}"


def inventory_etag(inventory_version: int) -> str:
    return f"i{inventory_version}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `tenant_id` bounds everything the call can see or change."""

    tenant_id: UUID
    actor: str
    scopes: frozenset[str]

    def acting_for(self, actor: str) -> "Caller":
        """The same caller, acting for somebody it names; an empty name changes nothing."""
        return Caller(self.tenant_id, actor, self.scopes) if actor else self
