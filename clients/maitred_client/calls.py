"""What every call needs, the same for both clients: identity, deadline, request id, decoded errors."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast
from uuid import UUID

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from maitred_client.details import ErrorDetails, decode_details
from maitred_client.errors import NO_DETAILS, GarbledError, MaitredError, TransportError, UnknownReasonError
from maitred_client.reasons import ERRORS
from maitred_client.values import new_request_id

DOMAIN = "maitred"

TENANT_HEADER = "x-maitred-tenant"
ACTOR_HEADER = "x-maitred-actor"
SCOPES_HEADER = "x-maitred-scopes"

# The server derives the id itself when there is none, so that others who ask for the same have the same.
DERIVED_BY_SERVER = frozenset({"maitred.v1.AutoAssignRequest"})

PORT_MAX = 65_535
HOST_AND_PORT = re.compile(r"(\[[^\[\]\s]+\]|[^:\[\]/\s]+):[0-9]+")
# Addresses that say how they are looked up are gRPC's to read.
SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:", "xds:")
TIMEOUT_S_MAX = 365 * 86_400

Request = TypeVar("Request", bound=Message)


@dataclass(slots=True)
class CallSettings:
    """What is the same for all calls of one client. `loop` is the event loop that it belongs to, if to any."""

    address: str
    metadata: tuple[tuple[str, str], ...]
    timeout_s: float
    loop: asyncio.AbstractEventLoop | None = None
    closed: bool = False

    def require_usable(self) -> None:
        """Raises RuntimeError when the client is closed, or belongs to another event loop than this one."""
        if self.closed:
            raise RuntimeError("this client is closed; make another one")
        if self.loop is not None and self.loop is not asyncio.get_running_loop():
            raise RuntimeError("this client was made in another event loop; make one in each")

    def deadline_s(self, timeout_s: float | None) -> float:
        """The time a call may take with all its repeats, in seconds. Raises ValueError as `require_timeout` does."""
        chosen_s = self.timeout_s if timeout_s is None else timeout_s
        require_timeout(chosen_s)
        return chosen_s

    @contextmanager
    def failures_of(self, request: Message) -> Iterator[None]:
        """Raises what failed inside as typed errors, also where closing the client ended it: nobody cancelled the
        task that waits."""
        try:
            yield
        except grpc.RpcError as failure:
            raise self.error(failure, request) from failure
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.closed or task is None or task.cancelling():
                raise
            raise self.closed_error(request) from None
        except ValueError:
            # Or it is gRPC's word for a channel that another thread has just closed.
            self.require_usable()
            raise

    def closed_error(self, request: Message) -> MaitredError:
        """What a call under way raises when its client is closed."""
        message = f"{self.address}: the client was closed"
        return TransportError(grpc.StatusCode.CANCELLED, message, NO_DETAILS, request_id_of(request))

    def error(self, failure: grpc.RpcError, request: Message) -> MaitredError:
        """The typed error for a failed call; it names the address when nothing else would."""
        code, message, request_id = (
            failure.code(),
            failure.details() or "",
            request_id_of(request),
        )
        try:
            details = _details(failure)
        except (DecodeError, ValueError):
            return GarbledError(code, f"{self.address}: {message}", NO_DETAILS, request_id)
        if details.domain != DOMAIN:
            return TransportError(code, f"{self.address}: {message}", details, request_id)
        return ERRORS.get(details.reason, UnknownReasonError)(code, message, details, request_id)


def call_settings(
    address: str, tenant_id: UUID | str, actor: str, scopes: Iterable[str] | None, timeout_s: float
) -> CallSettings:
    """The settings of a client. Raises ValueError naming the argument that is wrong."""
    require_address(address)
    settings = CallSettings(address, call_metadata(tenant_id, actor, scopes), timeout_s)
    settings.deadline_s(None)
    return settings


def require_address(address: str) -> None:
    """Raises ValueError unless it is host:port, or says itself how it is looked up."""
    # gRPC would take port 443 where there is none.
    if not (address.startswith(SCHEMES) or HOST_AND_PORT.fullmatch(address)):
        raise ValueError(f"address is {address!r}; it has to be host:port, such as localhost:7420")
    # It would take the port modulo 65536, and call somebody else.
    port = address.rpartition(":")[2]
    if port.isdecimal() and int(port) > PORT_MAX:
        raise ValueError(f"address is {address!r}; its port has to be at most {PORT_MAX}")


def require_timeout(timeout_s: float) -> None:
    """Raises ValueError unless it is above 0 and at most a year: gRPC takes what is endless for what is over."""
    if not 0 < timeout_s <= TIMEOUT_S_MAX:
        raise ValueError(f"timeout_s is {timeout_s}; it has to be above 0 and at most {TIMEOUT_S_MAX}")


def call_metadata(
    tenant_id: UUID | str, actor: str, scopes: Iterable[str] | None
) -> tuple[tuple[str, str], ...]:
    """The headers that say who calls.

    Without scopes their header is left out, and the server decides what that means.
    """
    try:
        tenant = str(tenant_id if isinstance(tenant_id, UUID) else UUID(tenant_id))
    except ValueError:
        raise ValueError(f"tenant_id is {tenant_id!r}; it has to be a UUID") from None
    headers = [(TENANT_HEADER, tenant)]
    if actor:
        headers.append((ACTOR_HEADER, _header_text("actor", actor)))
    if scopes is not None:
        if isinstance(scopes, str):
            raise ValueError(f"scopes is the text {scopes!r}; it has to be a list of scopes")
        headers.append((SCOPES_HEADER, _header_text("scopes", ",".join(scopes))))
    return tuple(headers)


def with_request_id(request: Request) -> Request:
    """The request itself, or a copy with a fresh request_id when it needs one and has none."""
    kind = request.DESCRIPTOR
    if (
        "request_id" not in kind.fields_by_name
        or request_id_of(request)
        or kind.full_name in DERIVED_BY_SERVER
    ):
        return request
    named = type(request)()
    named.CopyFrom(request)
    setattr(named, "request_id", new_request_id())  # noqa: B010 - Message knows no request_id, its kinds do
    return named


def request_id_of(request: Message) -> str:
    """The request's id; empty for one that has none."""
    return str(getattr(request, "request_id", ""))


def _details(failure: grpc.RpcError) -> ErrorDetails:
    status = rpc_status.from_call(cast(grpc.Call, failure))
    return NO_DETAILS if status is None else decode_details(status)


def _header_text(name: str, text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError(
            f"{name} is {text!r}; headers take printable ASCII, the request's actor takes any text"
        )
    return text
