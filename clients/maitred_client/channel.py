"""How the channel to the server is set up: retries, backoff, keepalive, limits."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from maitred.v1 import (
    assignment_service_pb2,
    booking_service_pb2,
    inventory_service_pb2,
    ops_service_pb2,
    planner_service_pb2,
)

SERVICES = (
    planner_service_pb2.DESCRIPTOR.services_by_name["PlannerService"],
    assignment_service_pb2.DESCRIPTOR.services_by_name["AssignmentService"],
    inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"],
    booking_service_pb2.DESCRIPTOR.services_by_name["BookingService"],
    ops_service_pb2.DESCRIPTOR.services_by_name["OpsService"],
)

# gRPC cuts every larger number of attempts down to this one.
ATTEMPTS_MAX = 5

CHANNEL_OPTIONS: Mapping[str, int | str] = {
    "grpc.enable_retries": 1,
    # A call can only be repeated while its whole request is kept; the default would exclude large floors.
    "grpc.per_rpc_retry_buffer_size": 4 * 1024 * 1024,
    # Notices within 40 seconds a peer that fell silent while calls wait. Idle connections are not pinged: servers
    # forbid that.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 0,
    # A server that is back is found within the retries of one call, not after gRPC's two minutes.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
    # A new client does not wait out the backoff of an earlier one whose server on the same address is gone.
    "grpc.use_local_subchannel_pool": 1,
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When the channel itself repeats a call, and how long it waits before.

    The n-th wait is about `backoff_s_initial * multiplier ** (n - 1)`, at most `backoff_s_max`, give or take
    a fifth, unless the server says how long to wait: by default repeats end after about 1.6 s. They carry the same
    request_id and share the deadline of the call. `attempts_max` counts the first attempt too: 1 means no repeats,
    gRPC allows up to 5.

    Raises ValueError when a number is outside its range.
    """

    attempts_max: int = 5
    backoff_s_initial: float = 0.05
    backoff_s_max: float = 1.0
    multiplier: float = 3.0
    codes: tuple[grpc.StatusCode, ...] = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

    def __post_init__(self) -> None:
        if not 1 <= self.attempts_max <= ATTEMPTS_MAX:
            raise ValueError(f"attempts_max is {self.attempts_max}; it has to be 1 to {ATTEMPTS_MAX}")
        for name in ("backoff_s_initial", "backoff_s_max", "multiplier"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be above 0, and not endless")
        if not self.codes:
            raise ValueError("codes is empty; use attempts_max=1 for no repeats")


DEFAULT_RETRY = RetryPolicy()


def service_config(retry: RetryPolicy) -> str:
    """The gRPC service config, as JSON, for all services of the contract.

    Repeating a write is safe because it carries a request_id. Calls are spread over all addresses that the
    name resolves to.
    """
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retry.attempts_max > 1:
        policy = {
            "maxAttempts": retry.attempts_max,
            "initialBackoff": _seconds(retry.backoff_s_initial),
            "maxBackoff": _seconds(retry.backoff_s_max),
            "backoffMultiplier": retry.multiplier,
            "retryableStatusCodes": [code.name for code in retry.codes],
        }
        names = [{"service": service.full_name} for service in SERVICES]
        config["methodConfig"] = [{"name": names, "retryPolicy": policy}]
    return json.dumps(config)


def channel_options(
    retry: RetryPolicy, options: Sequence[tuple[str, int | str]] = ()
) -> list[tuple[str, int | str]]:
    """The channel's arguments; `options` win over the client's own."""
    chosen = {**CHANNEL_OPTIONS, "grpc.service_config": service_config(retry), **dict(options)}
    # gRPC waits a minute for the answer to a ping, whatever the time-out of keepalive, unless it is told so.
    return list({"grpc.http2.ping_timeout_ms": chosen["grpc.keepalive_timeout_ms"], **chosen}.items())


def _seconds(length_s: float) -> str:
    return f"{length_s:.9f}s"
