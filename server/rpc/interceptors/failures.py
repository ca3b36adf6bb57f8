"""The one place where an exception becomes a status."""

import asyncio
from secrets import token_hex
from typing import Any, NoReturn

import grpc.aio
import structlog

from server.errors import Reason, Refusal, ServiceError
from server.rpc.call import current_note
from server.rpc.interceptors.unary import Context, Proceed, UnaryInterceptor
from server.rpc.status import Answer, answer_of

log = structlog.get_logger(__name__)


class FailureInterceptor(UnaryInterceptor):
    """Answers refusals with their status and details, and everything unforeseen with an incident id.

    The text of an unforeseen exception goes to the log alone. Cancellation is not a failure and passes.
    """

    def cares_for(self, path: str) -> bool:
        return True

    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        try:
            return await proceed(request, context)
        except ServiceError as error:
            refusal = error.refusal
        except grpc.aio.AbortError:
            raise
        except grpc.aio.InternalError:
            raise _nobody_there() from None
        except Exception as error:  # noqa: BLE001  # nothing of it may reach the caller, so all of it is caught
            refusal = _incident(path, error)
        return await end_with(answer_of(refusal), context)


def _incident(path: str, error: Exception) -> Refusal:
    incident_id = token_hex(8)
    log.error("invariant_broken", incident_id=incident_id, method=path, exc_info=error)
    return Refusal(
        Reason.INVARIANT_BROKEN,
        f"The service broke one of its own rules and stopped; incident {incident_id}.",
        {"incident_id": incident_id},
    )


def _nobody_there() -> asyncio.CancelledError:
    """What could not be sent, because the caller has gone. The call ends as if that had been noticed first."""
    return asyncio.CancelledError()


async def end_with(answer: Answer, context: Context) -> NoReturn:
    """Ends the call with status and trailers alone.

    Returning after setting them would send response headers first, which tells the caller's gRPC that the call was
    accepted: it would not repeat what the status says is safe to repeat.
    """
    note = current_note.get(None)
    if note is not None:
        note.reason = answer.refusal.reason
        note.incident_id = answer.refusal.metadata.get("incident_id")
    try:
        await context.abort(answer.code, answer.message, answer.trailers)
    except grpc.aio.InternalError:
        raise _nobody_there() from None
