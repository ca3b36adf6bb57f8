"""What the interceptors found out about the call at hand. Handlers read it as a value."""

from contextvars import ContextVar
from dataclasses import dataclass

from server.clock import Deadline
from server.domain.restaurant import Caller
from server.errors import Reason


@dataclass(slots=True)
class CallNote:
    """For the access log and the metrics: written while the call goes on, read when it is over."""

    method: str
    caller: Caller | None = None
    reason: Reason | None = None
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the contract: who asks, and by when the answer is wanted."""

    caller: Caller
    deadline: Deadline


current_note: ContextVar[CallNote] = ContextVar("current_note")
current_call: ContextVar[Call] = ContextVar("current_call")
