"""Gives the machine a server to play against."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

from maitred_client import MaitredClient
from tests.model.house import open_house
from tests.model.life import ACTORS, SCOPES, TENANTS, AssignmentLife
from tests.support.postgres import TestServer


@contextmanager
def playing(postgres: TestServer) -> Iterator[Counter[tuple[str, str]]]:
    """Runs of the machine inside the block have a house and clients; counts outcomes by method and reason."""
    AssignmentLife.outcomes = Counter()
    AssignmentLife.visits = Counter()
    with ExitStack() as opened:
        house = opened.enter_context(open_house(postgres))
        AssignmentLife.house = house
        AssignmentLife.clients = [
            [
                opened.enter_context(
                    MaitredClient(
                        house.address, tenant_id=UUID(int=tenant), actor=actor, scopes=scopes, timeout_s=60
                    )
                )
                for actor, scopes in zip(ACTORS, SCOPES, strict=True)
            ]
            for tenant in range(1, TENANTS + 1)
        ]
        yield AssignmentLife.outcomes
