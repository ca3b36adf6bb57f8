"""Replace a restaurant's service policy."""

from dataclasses import dataclass, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.events import inventory_event
from server.domain.floor import Floor
from server.domain.policy import Combinations, ServicePolicy, policy_problems
from server.domain.restaurant import Caller, policy_etag
from server.errors import bad_fields
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.idempotency import Once
from server.orchestrator.inventory_limits import require_enumerable
from server.orchestrator.ports import InventorySource, Unit
from server.orchestrator.situation import lock, require_etag


@dataclass(frozen=True, slots=True)
class PutServicePolicyCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    policy: ServicePolicy
    etag: str = ""


@dataclass(frozen=True, slots=True)
class PolicyPut:
    policy: ServicePolicy
    policy_version: int


@dataclass(frozen=True, slots=True)
class PutServicePolicy:
    once: Once
    inventories: InventorySource

    async def __call__(
        self, caller: Caller, command: PutServicePolicyCommand, deadline: Deadline
    ) -> PolicyPut:
        _require_consistent(command.policy)
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> PolicyPut:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            before, inventory = situation.restaurant, situation.prepared.inventory
            require_etag("service policy", command.etag, policy_etag(before.policy_version))
            if inventory.policy == command.policy:
                return PolicyPut(command.policy, before.policy_version)
            _require_enumerable(inventory.floor, command.policy.combinations)
            after = replace(before, policy_version=before.policy_version + 1)
            changes = Changes(
                restaurant=after,
                policy=command.policy,
                events=(inventory_event(after, "policy"),),
                audit=(AuditEntry("put_policy", "restaurant", after.restaurant_id, caller.actor, ""),),
            )
            await unit.write(after.restaurant_id, changes)
            return PolicyPut(command.policy, after.policy_version)

        return await self.once.run(caller, command, PolicyPut, body, deadline)


def _require_enumerable(floor: Floor, combinations: Combinations) -> None:
    field = "adjacency_party_size_min" if combinations.some_merge_freely else "tables_max"
    require_enumerable(floor, combinations, f"policy.combinations.{field}")


def _require_consistent(policy: ServicePolicy) -> None:
    problems = tuple(policy_problems(policy))
    if problems:
        raise bad_fields(problems)
