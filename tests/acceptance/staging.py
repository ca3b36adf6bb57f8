"""Where refusals are brought about, and the list of ways to do it."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from maitred_client import AsyncMaitredClient, RetryPolicy
from tests.builders.world_extras import House
from tests.conftest import Served

NO_RETRIES = RetryPolicy(attempts_max=1)


@dataclass(frozen=True, slots=True)
class Stage:
    place: House
    server: Served

    @property
    def client(self) -> AsyncMaitredClient:
        return self.place.client

    def without_retries(self) -> AsyncMaitredClient:
        """A client that shows each answer as it comes."""
        return AsyncMaitredClient(
            self.server.address, tenant_id=self.server.tenant_id, actor="tests", retry=NO_RETRIES
        )


Provocation = Callable[[Stage], Awaitable[object]]
PROVOCATIONS: dict[str, Provocation] = {}


def provokes(reason: str) -> Callable[[Provocation], Provocation]:
    def register(provocation: Provocation) -> Provocation:
        assert reason not in PROVOCATIONS
        PROVOCATIONS[reason] = provocation
        return provocation

    return register


async def assign(
    stage: Stage, party: int, *names: str, zone: str = "", required: Iterable[str] = ()
) -> object:
    booking = await stage.place.party(party, zone=zone, required=required)
    return await stage.place.assign(booking, *names)
