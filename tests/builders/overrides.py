"""Requests that set rules aside, and callers who may not."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from maitred_client import AsyncMaitredClient
from maitred_client.messages import ErrorReason
from tests.conftest import Served

RequestT = TypeVar("RequestT", bound=Any)

OVERRIDABLE = (
    "ZONE_NOT_REQUESTED",
    "REQUIRED_ATTRIBUTE_UNMET",
    "COMBINATION_DISABLED",
    "COMBINATION_TOO_LARGE",
    "COMBINATION_NOT_ADJACENT",
    "CAPACITY_INSUFFICIENT",
    "CAPACITY_BELOW_MIN_PARTY",
    "SLACK_BUDGET_EXCEEDED",
)


def reasons(*words: str) -> "list[ErrorReason.ValueType]":
    return [ErrorReason.Value(f"ERROR_REASON_{word}") for word in words]


def words(numbers: "Iterable[ErrorReason.ValueType]") -> list[str]:
    return [ErrorReason.Name(number).removeprefix("ERROR_REASON_") for number in numbers]


def overriding(request: RequestT, *rules: str) -> RequestT:
    """The same request with rules set aside."""
    request.overrides.extend(reasons(*rules))
    return request


@asynccontextmanager
async def host(server: Served) -> AsyncIterator[AsyncMaitredClient]:
    """Somebody who may hold and assign, but not override."""
    async with AsyncMaitredClient(
        server.address, tenant_id=server.tenant_id, actor="host", scopes=["read", "write"]
    ) as client:
        yield client
