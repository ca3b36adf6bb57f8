"""Who calls. Resolved in one place, before anything else of the call is looked at."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from server.domain.limits import ACTOR_LENGTH_MAX
from server.domain.restaurant import Caller
from server.errors import Reason, ServiceError, refuse
from server.rpc.scopes import ALL_SCOPES

TENANT_HEADER = "x-maitred-tenant"
ACTOR_HEADER = "x-maitred-actor"
SCOPES_HEADER = "x-maitred-scopes"
# The same few callers come again and again. Who says more than anybody has to is not kept.
CALLERS_KEPT = 4_096
CALLER_LENGTH_KEPT = 500


class IdentitySource(Protocol):
    """Turns a call's metadata into a caller, or raises UNAUTHENTICATED."""

    def resolve(self, metadata: Iterable[tuple[str, str | bytes]]) -> Caller: ...


class TrustedHeaders:
    """Believes what the headers say. Only for callers on the same machine: nothing proves the headers.

    The tenant is required. No actor means "unknown", no scopes header means every scope.
    """

    def resolve(self, metadata: Iterable[tuple[str, str | bytes]]) -> Caller:
        headers = _single_headers(metadata)
        caller = _kept_caller if sum(map(len, headers.values())) <= CALLER_LENGTH_KEPT else _caller
        return caller(
            headers.get(TENANT_HEADER, ""), headers.get(ACTOR_HEADER, ""), headers.get(SCOPES_HEADER)
        )


def _caller(tenant: str, actor: str, scopes: str | None) -> Caller:
    return Caller(_tenant(tenant), _actor(actor), _scopes(scopes))


_kept_caller = lru_cache(CALLERS_KEPT)(_caller)


def _single_headers(metadata: Iterable[tuple[str, str | bytes]]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for key, value in metadata:
        if key not in (TENANT_HEADER, ACTOR_HEADER, SCOPES_HEADER):
            continue
        if key in headers:
            raise _unauthenticated(key, "is sent more than once")
        headers[key] = value if isinstance(value, str) else value.decode("ascii", "replace")
    return headers


def _tenant(text: str) -> UUID:
    if not text:
        raise _unauthenticated(TENANT_HEADER, "is missing; it names the tenant by its UUID")
    try:
        tenant_id = UUID(text)
    except ValueError:
        raise _unauthenticated(TENANT_HEADER, "is not a UUID") from None
    if str(tenant_id) != text.lower():
        raise _unauthenticated(TENANT_HEADER, "is not a UUID in its usual form with four hyphens")
    return tenant_id


def _actor(text: str) -> str:
    actor = text.strip()
    if len(actor) > ACTOR_LENGTH_MAX:
        raise _unauthenticated(ACTOR_HEADER, f"is longer than {ACTOR_LENGTH_MAX} characters")
    if not actor.isprintable():
        raise _unauthenticated(ACTOR_HEADER, "holds characters that cannot be printed")
    return actor or "unknown"


def _scopes(text: str | None) -> frozenset[str]:
    if text is None:
        return ALL_SCOPES
    scopes = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not scopes <= ALL_SCOPES:
        raise _unauthenticated(
            SCOPES_HEADER,
            f"names a scope that is none of {', '.join(sorted(ALL_SCOPES))}; several are parted by commas",
        )
    return scopes


def _unauthenticated(header: str, problem: str) -> ServiceError:
    return refuse(Reason.UNAUTHENTICATED, f"The header {header} {problem}.", header=header)
