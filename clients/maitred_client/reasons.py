"""One exception class per reason of the contract, in the order of `ErrorReason`.

Docstring, retry class and remedy are those of the enum value's comment; of several retry classes an error has the one
that is meant.
"""

from collections.abc import Mapping
from types import MappingProxyType

from maitred_client.errors import MaitredError, RetryClass


class InvalidArgumentFieldError(MaitredError, reason="INVALID_ARGUMENT_FIELD", retry=RetryClass.AFTER_FIX):
    """A field is missing, malformed, too long, out of its range, or a value of an enum that the server does not know;
    or a list of ids, words or enum values has one of them twice. What people write, such as names, references, notes,
    reasons and actors, is one line without control characters. Up to 32 bad fields of the request are listed in
    google.rpc.BadRequest; the message says how many there are. "request" is all of it: over 4 MiB, or no such message.
    """

    remedy = "Correct the named fields; each description says what is accepted."


class InvalidWindowError(MaitredError, reason="INVALID_WINDOW", retry=RetryClass.AFTER_FIX):
    """A time range is empty, ends before it starts, or is longer than the service allows."""

    remedy = "Send a start before the end, within the named limit."


class InvalidPartySizeError(MaitredError, reason="INVALID_PARTY_SIZE", retry=RetryClass.AFTER_FIX):
    """The party size is below 1 or above the largest party the service accepts."""

    remedy = "Send a party size within the named limit; split larger groups into several bookings."


class RequestIdMissingError(MaitredError, reason="REQUEST_ID_MISSING", retry=RetryClass.AFTER_FIX):
    """A mutating call came without a request_id, so a retry could not be recognised."""

    remedy = "Send a fresh UUID as request_id, and the same one on every retry of the same call."


class RequestIdReusedError(MaitredError, reason="REQUEST_ID_REUSED", retry=RetryClass.AFTER_FIX):
    """The request_id was used before by this tenant for the same method with a different payload."""

    remedy = "Use a new request_id for a new intention; repeat the old payload exactly to get the old answer."


class RequestInProgressError(MaitredError, reason="REQUEST_IN_PROGRESS", retry=RetryClass.SAME_KEY):
    """The first call with this request_id is still running."""

    remedy = "Repeat the identical call after the delay; it will get the recorded answer."


class UnauthenticatedError(MaitredError, reason="UNAUTHENTICATED", retry=RetryClass.NO):
    """The call carries no identity that the server accepts. In trusted-header mode x-maitred-tenant is the tenant's
    UUID; x-maitred-actor may name the caller, who is "unknown" otherwise, and x-maitred-scopes what it may, parted by
    commas: everything otherwise. Each is sent once at most.
    """

    remedy = "Send the identity the server asks for."


class PermissionMissingError(MaitredError, reason="PERMISSION_MISSING", retry=RetryClass.HUMAN):
    """The caller's scopes don't cover this method."""

    remedy = "Ask for the named scope, or let somebody call who has it."


class OverrideNotPermittedError(MaitredError, reason="OVERRIDE_NOT_PERMITTED", retry=RetryClass.HUMAN):
    """The call overrides rules that the restaurant's policy does not relax, and the caller lacks the scope for it."""

    remedy = "Leave the named reasons out of overrides, or let somebody call who has the scope."


class RestaurantNotFoundError(MaitredError, reason="RESTAURANT_NOT_FOUND", retry=RetryClass.NO):
    """There is no such restaurant for this tenant; another tenant's restaurant looks exactly the same."""

    remedy = "Check restaurant_id and tenant; PutRestaurant creates a restaurant."


class BookingNotFoundError(MaitredError, reason="BOOKING_NOT_FOUND", retry=RetryClass.NO):
    """There is no such booking in this restaurant, or not any more: years after its end it is deleted."""

    remedy = "Check booking_id; PutBooking creates a booking."


class TableNotFoundError(MaitredError, reason="TABLE_NOT_FOUND", retry=RetryClass.NO):
    """At least one table id is not a table of this restaurant; for UnassignTables, none of the booking's."""

    remedy = "Take table ids from GetFloor or PlanTables of the same restaurant, for UnassignTables from GetAssignment."


class HoldNotFoundError(MaitredError, reason="HOLD_NOT_FOUND", retry=RetryClass.NO):
    """There is no such hold in this restaurant, or not any more: a month after it came to nothing it is deleted."""

    remedy = "Check hold_id; ListHolds shows the holds of a booking."


class AssignmentNotFoundError(MaitredError, reason="ASSIGNMENT_NOT_FOUND", retry=RetryClass.NO):
    """The booking has no assignment."""

    remedy = "Assign tables first; GetBooking shows the booking's status."


class BlockNotFoundError(MaitredError, reason="BLOCK_NOT_FOUND", retry=RetryClass.NO):
    """There is no such block in this restaurant, or not any more: years after its end it is deleted."""

    remedy = "Check block_id; ListBlocks shows the blocks of a window."


class VersionMismatchError(MaitredError, reason="VERSION_MISMATCH", retry=RetryClass.REPLAN):
    """The resource changed since the caller read the etag it sent."""

    remedy = "Read the resource again, decide again, and call with the new etag and a new request_id."


class WatchTokenInvalidError(MaitredError, reason="WATCH_TOKEN_INVALID", retry=RetryClass.AFTER_FIX):
    """The resume_token of WatchFloor is none that this service made, or was made for another restaurant, or,
    during an upgrade, by a server of the other version.
    """

    remedy = (
        "Send the token of the last message received for this restaurant, or none to start from a snapshot."
    )


class WatchTokenCompactedError(MaitredError, reason="WATCH_TOKEN_COMPACTED", retry=RetryClass.AFTER_FIX):
    """What followed the resume_token of WatchFloor is not kept any more. Or the database was restored to a
    state before it.
    """

    remedy = "Watch again without a resume_token; the stream starts with a snapshot."


class InvalidStateTransitionError(MaitredError, reason="INVALID_STATE_TRANSITION", retry=RetryClass.HUMAN):
    """The booking's status does not allow this step; or a changed booking should check in on tables that were given
    for its earlier time or party; or it is too early to check in, and allowed_from says from when on it is allowed
    (empty when time changes nothing). Actions are those of BookingAction in lower case; what else was asked for, action
    says in words.
    """

    remedy = "Choose an allowed action, or decide with the guest; ReassignTables moves a party that sits."


class BookingAlreadyAssignedError(MaitredError, reason="BOOKING_ALREADY_ASSIGNED", retry=RetryClass.NO):
    """The booking already has tables for its present time and party; for ReassignTables, exactly the ones asked for."""

    remedy = "GetAssignment shows the tables; ReassignTables chooses others."


class HoldAlreadyConfirmedError(MaitredError, reason="HOLD_ALREADY_CONFIRMED", retry=RetryClass.NO):
    """The hold has already become an assignment."""

    remedy = "GetAssignment shows the result; use UnassignTables to give the tables back."


class HoldExpiredError(MaitredError, reason="HOLD_EXPIRED", retry=RetryClass.REPLAN):
    """The hold's time to live is over by the database's clock; its tables are free for others."""

    remedy = "Plan and hold again with a new request_id."


class HoldAlreadyReleasedError(MaitredError, reason="HOLD_ALREADY_RELEASED", retry=RetryClass.REPLAN):
    """The hold was released or superseded by a later hold of the same booking."""

    remedy = "Use the booking's newer hold (ListHolds), or plan and hold again with a new request_id."


class HoldMismatchError(MaitredError, reason="HOLD_MISMATCH", retry=RetryClass.AFTER_FIX):
    """The hold belongs to another booking, holds other tables than the caller says, or was made for a time or
    party that the booking no longer has.
    """

    remedy = "Read the hold (GetHold) and confirm what it holds, or hold anew."


class HoldTtlOutOfRangeError(MaitredError, reason="HOLD_TTL_OUT_OF_RANGE", retry=RetryClass.AFTER_FIX):
    """The requested time to live is outside what the server allows."""

    remedy = "Ask for a ttl within the named limits, or leave it out for the default."


class HoldExtensionLimitError(MaitredError, reason="HOLD_EXTENSION_LIMIT", retry=RetryClass.NO):
    """The extension would let the hold live longer, from its creation on, than a hold may. It keeps the expiry it
    has.
    """

    remedy = "Confirm the hold before expires_at, or release it so that others can have the tables."


class OutsideServiceHoursError(MaitredError, reason="OUTSIDE_SERVICE_HOURS", retry=RetryClass.AFTER_FIX):
    """The start is in no service period of the restaurant's policy, or the restaurant has no policy."""

    remedy = "Choose a start in a service period; next_opening is the next, if soon. Without a policy, put one first."


class ServiceOverrunError(MaitredError, reason="SERVICE_OVERRUN", retry=RetryClass.AFTER_FIX):
    """The stay with its buffer does not fit before the end of a service period that may not be overrun."""

    remedy = (
        "Choose a start no later than latest_start, which is empty when no start of the period leaves room."
    )


class WindowInPastError(MaitredError, reason="WINDOW_IN_PAST", retry=RetryClass.AFTER_FIX):
    """The window has already ended by the database's clock."""

    remedy = "Choose a later start."


class CutoffPassedError(MaitredError, reason="CUTOFF_PASSED", retry=RetryClass.AFTER_FIX):
    """The stay begins sooner than the cutoff that the caller set for assigning automatically."""

    remedy = "Call with a shorter cutoff and a new request_id, or let staff assign the tables (AssignTables)."


class PolicyDriftError(MaitredError, reason="POLICY_DRIFT", retry=RetryClass.REPLAN):
    """The policy or the floor changed after the hold was made, so that the held set no longer passes."""

    remedy = "Plan again under the present policy and hold the new set with a new request_id."


class StaleContextError(MaitredError, reason="STALE_CONTEXT", retry=RetryClass.REPLAN):
    """Something the selection depends on (its tables, the policy, the booking, or claims on those tables)
    changed since the context_version that the caller sent.
    """

    remedy = "Plan or validate again and use the new context_version with a new request_id."


class TableOutOfServiceError(MaitredError, reason="TABLE_OUT_OF_SERVICE", retry=RetryClass.REPLAN):
    """The table is marked out of service."""

    remedy = "Choose other tables, or put the table back in service with UpdateTable."


class ZoneNotRequestedError(MaitredError, reason="ZONE_NOT_REQUESTED", retry=RetryClass.REPLAN):
    """The tables are in another zone than the booking asks for."""

    remedy = "Choose tables of the booking's zone, or change the booking's zone with PutBooking."


class RequiredAttributeUnmetError(MaitredError, reason="REQUIRED_ATTRIBUTE_UNMET", retry=RetryClass.REPLAN):
    """A table lacks an attribute that the booking requires."""

    remedy = "Choose tables that have the attributes, or make them preferred instead of required."


class CombinationDisabledError(MaitredError, reason="COMBINATION_DISABLED", retry=RetryClass.REPLAN):
    """More than one table was chosen but the restaurant's policy does not allow merging."""

    remedy = "Choose a single table, or enable combinations in the service policy."


class CombinationTooLargeError(MaitredError, reason="COMBINATION_TOO_LARGE", retry=RetryClass.REPLAN):
    """More tables were chosen than the policy allows in one merge."""

    remedy = "Choose fewer tables, or raise tables_max in the service policy."


class CombinationCrossesZonesError(MaitredError, reason="COMBINATION_CROSSES_ZONES", retry=RetryClass.REPLAN):
    """The chosen tables lie in more than one zone."""

    remedy = "Choose tables of one zone."


class CombinationTableNotMovableError(
    MaitredError, reason="COMBINATION_TABLE_NOT_MOVABLE", retry=RetryClass.REPLAN
):
    """A fixed table was chosen together with another; fixed tables are only used alone."""

    remedy = "Choose movable tables for a merge."


class CombinationNotAdjacentError(MaitredError, reason="COMBINATION_NOT_ADJACENT", retry=RetryClass.REPLAN):
    """The chosen tables cannot be pushed together under the policy's adjacency mode, and the party is not below the
    size from which adjacency is needed.
    """

    remedy = "Choose tables that touch one another; PlanTables lists the merges that exist."


class CombinationRedundantError(MaitredError, reason="COMBINATION_REDUNDANT", retry=RetryClass.REPLAN):
    """A smaller part of the combination already seats the party, so the rest would be wasted."""

    remedy = "Nothing to do; the smaller set is listed or was left out under its own reason."


class CapacityInsufficientError(MaitredError, reason="CAPACITY_INSUFFICIENT", retry=RetryClass.REPLAN):
    """The set has fewer seats than the party, or the party is above the largest party of a single table."""

    remedy = "Choose a larger table or a merge."


class CapacityBelowMinPartyError(MaitredError, reason="CAPACITY_BELOW_MIN_PARTY", retry=RetryClass.REPLAN):
    """The party is smaller than the smallest party a chosen table is meant for."""

    remedy = "Choose smaller tables, or lower the table's min_party."


class SlackBudgetExceededError(MaitredError, reason="SLACK_BUDGET_EXCEEDED", retry=RetryClass.REPLAN):
    """The set would leave more seats empty than the policy allows."""

    remedy = "Choose a smaller set, or raise slack_max in the service policy."


class TableAvoidedError(MaitredError, reason="TABLE_AVOIDED", retry=RetryClass.REPLAN):
    """The table is on the caller's avoid list."""

    remedy = "Take the table off the avoid list to have it considered."


class TableBlockedError(MaitredError, reason="TABLE_BLOCKED", retry=RetryClass.REPLAN):
    """A block (maintenance, private event) covers part of the window."""

    remedy = "Choose other tables or another time, or remove the block with UnblockTables."


class TableConflictAssignedError(MaitredError, reason="TABLE_CONFLICT_ASSIGNED", retry=RetryClass.REPLAN):
    """Another booking's assignment overlaps the window."""

    remedy = "Plan again with a new request_id, wait until free_from, or move who has it (ReassignTables)."


class TableConflictHeldError(MaitredError, reason="TABLE_CONFLICT_HELD", retry=RetryClass.REPLAN):
    """Another booking's unexpired hold overlaps the window."""

    remedy = "Plan again and call with a new request_id, or wait until free_from."


class NoFeasiblePlanError(MaitredError, reason="NO_FEASIBLE_PLAN", retry=RetryClass.AFTER_FIX):
    """No table and no merge could be assigned automatically. FailedChecks says why, one entry for each reason for which
    sets were left out. With the outcome fully_taken something would seat the party but is taken (OFFER_ALTERNATIVES);
    with needs_staff nothing on this floor seats it under the policy (ASK_STAFF); tables to avoid count for neither.
    relaxed_taken_by says what takes the sets that would do with the policy's relaxations; it is empty when there are
    none. Each of the reasons comes with the number of sets that it keeps out, such as CAPACITY_INSUFFICIENT=3.
    """

    remedy = "Offer another time (SearchAvailability), or let staff decide when the outcome is needs_staff."

    def _judge(self) -> None:
        if self.metadata.get("outcome") == "needs_staff":
            self.retry = RetryClass.HUMAN


class ServerOverloadedError(MaitredError, reason="SERVER_OVERLOADED", retry=RetryClass.WAIT):
    """The server has as many calls in work as it can bear, or so much to do that this call's deadline would pass
    first."""

    remedy = "Repeat the identical call after the delay in RetryInfo."


class StoreContentionError(MaitredError, reason="STORE_CONTENTION", retry=RetryClass.SAME_KEY):
    """The database gave up on locks or on a deadlock, for a change even after the server's own retries. Nothing was
    changed.
    """

    remedy = "Repeat the identical call with the same request_id."


class StoreUnavailableError(MaitredError, reason="STORE_UNAVAILABLE", retry=RetryClass.SAME_KEY):
    """The database could not be reached, went away before it answered, or takes no changes, as on a full disk. The
    change may have been committed. Or a newer server has stored what this one does not know, such as the recorded
    answer or the restaurant's time zone; then a newer one answers the repeat.
    """

    remedy = (
        "Repeat the identical call with the same request_id; it gets the recorded answer if there is one."
    )


class DrainingError(MaitredError, reason="DRAINING", retry=RetryClass.SAME_KEY):
    """This server process is shutting down and takes no new calls."""

    remedy = "Repeat the identical call; another process will answer."


class DeadlineExceededError(MaitredError, reason="DEADLINE_EXCEEDED", retry=RetryClass.SAME_KEY):
    """The caller's deadline was over before the work was done. A mutating call may or may not have been committed. A
    call without a deadline gets 10 s and none more than 60 s, unless the server is configured otherwise; streams get
    what the caller sets.
    """

    remedy = "Repeat the identical call with the same request_id and a longer deadline."


class InvariantBrokenError(MaitredError, reason="INVARIANT_BROKEN", retry=RetryClass.NO):
    """The service found its own data or code in a state that must not exist. It is logged and alerted under the
    incident id."""

    remedy = "Report the incident id; do not retry."


ERRORS: Mapping[str, type[MaitredError]] = MappingProxyType(
    {kind.reason: kind for kind in MaitredError.__subclasses__() if kind.reason}
)
"""The class of each reason."""
