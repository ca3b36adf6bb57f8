"""What a failed call raises: the base of all errors, and the errors that are not a reason of the contract.

Every error can be pickled, so it may cross from one process to another.
"""

from collections.abc import Mapping
from enum import StrEnum

import grpc

from maitred_client.details import Conflict, ErrorDetails, FailedCheck, FieldViolation, QuotaViolation

NO_DETAILS = ErrorDetails()


class RetryClass(StrEnum):
    """What a caller may do after an error."""

    SAME_KEY = "SAME_KEY"
    """Repeat the identical call with the same request_id."""
    REPLAN = "REPLAN"
    """Plan again, then call with a new request_id."""
    AFTER_FIX = "AFTER_FIX"
    """Change the request, then call with a new request_id."""
    WAIT = "WAIT"
    """Repeat the identical call after `retry_after_s`."""
    NO = "NO"
    """Nothing: the same call will be refused again."""
    HUMAN = "HUMAN"
    """A person has to decide."""


class MaitredError(Exception):
    """A call failed. Catch this for everything, or a class of `maitred_client.reasons` for one reason.

    `reason` is the word of ErrorReason without its prefix, and empty when the server gave none. `code` is the
    gRPC status, `message` one sentence for people, `remedy` what to do next. `request_id` is the one that a
    mutating call was sent with, whoever chose it: repeat the call with it when `retry` is SAME_KEY.
    """

    reason: str = ""
    retry: RetryClass = RetryClass.NO
    remedy: str = ""

    def __init__(
        self, code: grpc.StatusCode, message: str, details: ErrorDetails = NO_DETAILS, request_id: str = ""
    ) -> None:
        super().__init__(code, message, details, request_id)
        self.code = code
        self.message = message
        self.details = details
        self.request_id = request_id
        self._judge()

    def _judge(self) -> None:
        """Sets what this one failure has otherwise than its class."""

    def __init_subclass__(cls, *, reason: str = "", retry: RetryClass | None = None) -> None:
        super().__init_subclass__()
        cls.reason = reason or cls.reason
        cls.retry = retry or cls.retry

    def __str__(self) -> str:
        word = f"{self.reason} ({self.code.name})" if self.reason else self.code.name
        return f"{word}: {self.message}"

    @property
    def metadata(self) -> Mapping[str, str]:
        """Every value that the message mentions, under the keys that ErrorReason documents."""
        return self.details.metadata

    @property
    def violations(self) -> tuple[FieldViolation, ...]:
        """The bad fields of the request."""
        return self.details.violations

    @property
    def quota_violations(self) -> tuple[QuotaViolation, ...]:
        """The limits that were reached."""
        return self.details.quota_violations

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The claims in the way; `details.conflicts_truncated` says when there were more."""
        return self.details.conflicts

    @property
    def failed_checks(self) -> tuple[FailedCheck, ...]:
        """Every rule that the table set breaks, in order of precedence."""
        return self.details.failed_checks

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asks to wait, in seconds; None when it does not say."""
        return self.details.retry_after_s


class UnknownReasonError(MaitredError):
    """The server gave a reason that this client does not know: it is newer than the client.

    `retry` is what the gRPC status means in general.
    """

    def _judge(self) -> None:
        self.reason = self.details.reason
        self.retry = RETRY_BY_CODE.get(self.code, RetryClass.NO)
        self.remedy = "Update the client to know this reason."


class TransportError(MaitredError):
    """The call failed without a reason from the service: nobody answered, or something else did.

    A mutating call may have happened all the same when `retry` is SAME_KEY; only the same request_id may ask
    again.
    """

    def _judge(self) -> None:
        self.retry, self.remedy = TRANSPORT_BY_CODE.get(
            self.code, (RetryClass.NO, "Check that the address is that of a maitred server.")
        )

    def __str__(self) -> str:
        return f"{super().__str__().rstrip('.')}. {self.remedy}"


class GarbledError(TransportError):
    """The status came with details that cannot be read; they are left out."""

    def _judge(self) -> None:
        super()._judge()
        self.remedy = (
            "The details of this error cannot be read; look for what stands between client and server."
        )


RETRY_BY_CODE: Mapping[grpc.StatusCode, RetryClass] = {
    grpc.StatusCode.ABORTED: RetryClass.REPLAN,
    grpc.StatusCode.CANCELLED: RetryClass.SAME_KEY,
    grpc.StatusCode.DEADLINE_EXCEEDED: RetryClass.SAME_KEY,
    grpc.StatusCode.FAILED_PRECONDITION: RetryClass.AFTER_FIX,
    grpc.StatusCode.INVALID_ARGUMENT: RetryClass.AFTER_FIX,
    grpc.StatusCode.OUT_OF_RANGE: RetryClass.AFTER_FIX,
    grpc.StatusCode.PERMISSION_DENIED: RetryClass.HUMAN,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RetryClass.WAIT,
    grpc.StatusCode.UNAVAILABLE: RetryClass.SAME_KEY,
}

TRANSPORT_BY_CODE: Mapping[grpc.StatusCode, tuple[RetryClass, str]] = {
    grpc.StatusCode.UNAVAILABLE: (
        RetryClass.SAME_KEY,
        "Check address, server and TLS settings; then repeat the call with the same request_id.",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        RetryClass.SAME_KEY,
        "Repeat the call with the same request_id and a longer timeout_s.",
    ),
    grpc.StatusCode.CANCELLED: (
        RetryClass.SAME_KEY,
        "You gave the call up, or the server had too many waiting; repeat it with the same request_id, a little later.",
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        RetryClass.AFTER_FIX,
        "The message is larger than client or server allow; send or ask for less at once.",
    ),
    grpc.StatusCode.UNIMPLEMENTED: (
        RetryClass.NO,
        "The server at this address does not offer the call; check the address and the server's version.",
    ),
}
