"""Where driver errors stop: SQLSTATE and constraint name become the service's own words, and nothing else leaves."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import TypeVar

import asyncpg
import structlog

from server.errors import InvariantError, Reason, Refusal, ServiceError, bad_field

RowT = TypeVar("RowT")
ValueT = TypeVar("ValueT")
log = structlog.get_logger(__name__)

RETRY_AFTER_S = 0.1

# A lock that was not granted, a deadlock or a serialization failure; and races that the next snapshot will see.
_CONTENTION_STATES = frozenset({"40001", "40P01", "55P03"})
_RACE_CONSTRAINTS = frozenset({"table_claims_no_overlap", "idempotency_ledger_pkey"})
# Which letters are the same in capitals, each database's collation says in its own way.
_NAME_CONSTRAINTS = {"zones_name_unique": "floor.zones.name", "tables_name_unique": "floor.tables.name"}
_CANCELLED_STATE = "57014"
# The database is there and takes no changes.
_TAKES_NO_CHANGES = {
    "53100": "The database has no room left on its disk; repeat the identical call when it has.",
    "25006": "The database can only be read, as a replica; repeat the identical call when it takes changes.",
}
# Connection trouble, nobody let in under this name, out of connections, memory or disk.
_AWAY_CLASSES = frozenset({"08", "28", "53"})
# Shutting down, starting up, closed to connections, not there while it is restored.
_AWAY_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "55000", "3D000"})


# The driver's internal error is what a statement meets on a connection whose server has said goodbye a moment ago.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# What a try to connect ends with: an address that cannot be read is a ValueError, and one that leaves the name to a
# user who has none a KeyError.
CONNECT_ERRORS = (OSError, ValueError, KeyError, *DRIVER_ERRORS)
# A value that is missing, or against a check.
_ROW_STATES = frozenset({"23502", "23514"})


class UnreachableError(Exception):
    """No connection could be made; the text says why, without the address's secrets."""


class NotAllowedError(UnreachableError):
    """The database is there, and its role may not do what was asked; the text says what, and what to do."""


class ContentionError(ServiceError):
    """STORE_CONTENTION: what was asked lost a race and left nothing behind. Run it again on a new snapshot, or tell the
    caller to, who hears of so many attempts.
    """

    def __init__(self, attempts: int = 1) -> None:
        super().__init__(
            Refusal(
                Reason.STORE_CONTENTION,
                f"The database gave up on locks (attempts: {attempts}); repeat the identical call.",
                {"attempts": str(attempts)},
                retry_after_s=RETRY_AFTER_S,
            )
        )


def translated(error: Exception) -> Exception:
    """What the rest of the house gets to see instead of a driver's error."""
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error)
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError):
        return unavailable()
    return error


@asynccontextmanager
async def translating() -> AsyncIterator[None]:
    """Nothing of the driver leaves this block."""
    try:
        yield
    except (OSError, *DRIVER_ERRORS) as error:
        if isinstance(error, TimeoutError):
            raise
        raise translated(error) from error


def said_by(error: BaseException) -> str:
    """What the driver says went wrong, from now on without the row that the database refused: callers' own texts are in
    it, and it would stand in the log.
    """
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in _ROW_STATES:
        error.detail = None
    return str(error)


def _from_server(error: asyncpg.PostgresError) -> Exception:
    state = error.sqlstate or ""
    constraint = getattr(error, "constraint_name", None)
    if state in _CONTENTION_STATES or constraint in _RACE_CONSTRAINTS:
        return ContentionError()
    if constraint in _NAME_CONSTRAINTS:
        return bad_field(
            _NAME_CONSTRAINTS[constraint], "two names are the same to the database, whatever the case"
        )
    if state == _CANCELLED_STATE:
        return deadline_exceeded()
    if state in _TAKES_NO_CHANGES:
        return _unavailable(_TAKES_NO_CHANGES[state])
    if state[:2] in _AWAY_CLASSES or state in _AWAY_STATES:
        return unavailable()
    return InvariantError(f"the database refused a statement: {state} {constraint or ''} {said_by(error)}")


def unreachable(error: BaseException) -> UnreachableError:
    """What to say of a connection attempt that failed. What cannot be read of an address may be of its password."""
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return not_allowed(error)
    if isinstance(error, ValueError) and not isinstance(error, DRIVER_ERRORS):
        return UnreachableError(
            "its address cannot be read; what is special in a name or password is written as %XX"
        )
    if isinstance(error, KeyError):
        return UnreachableError("its address names no user, and the user of this process has no name")
    text = str(error).splitlines()
    problem = f"{type(error).__name__}: {text[0] if text else 'no answer'}"
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in problem:
        return UnreachableError(
            f"{problem}; behind a pooler such as PgBouncer set MAITRED_STATEMENT_CACHE_SIZE=0"
        )
    return UnreachableError(problem)


def not_allowed(error: asyncpg.InsufficientPrivilegeError) -> NotAllowedError:
    return NotAllowedError(
        f"the role is not allowed to do this: {error}; let it own the database, or grant it that"
    )


def unavailable() -> ServiceError:
    return _unavailable(
        "The database could not be reached, or went away before it answered; repeat the identical call."
    )


def not_understood() -> ServiceError:
    return _unavailable(
        "A newer version of the service has stored what this one does not know; repeat the identical call, and it "
        "is answered there."
    )


def understood(read: Callable[[RowT], ValueT]) -> Callable[[RowT], ValueT]:
    """Has what reads a row raise STORE_UNAVAILABLE for a value in it that only a newer version knows: the same call can
    still come to a server of that.
    """

    @wraps(read)
    def reading(row: RowT) -> ValueT:
        try:
            return read(row)
        except ValueError as problem:
            log.warning("row_not_understood", row=read.__name__, problem=str(problem))
            raise not_understood() from None

    return reading


def lacks_room(error: ServiceError) -> bool:
    """Whether a translated error says that the database's disk is full."""
    return isinstance(error.__cause__, asyncpg.DiskFullError)


def _unavailable(message: str) -> ServiceError:
    return ServiceError(Refusal(Reason.STORE_UNAVAILABLE, message, retry_after_s=RETRY_AFTER_S))


def deadline_exceeded() -> ServiceError:
    return ServiceError(
        Refusal(
            Reason.DEADLINE_EXCEEDED,
            "The deadline passed before the work was done; repeat the identical call with a longer one.",
        )
    )
