"""Every reason of the contract: its status, its metadata, its retry class and its details, from a real server."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import grpc.aio
import pytest

from maitred.v1 import errors_pb2
from maitred_client import ERRORS, CombinationRedundantError, MaitredError, RetryClass, TableAvoidedError
from maitred_client.messages import ErrorReason
from ops.build.errors_page import Reason, parse_reason
from tests.acceptance.staging import PROVOCATIONS, Stage
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import rows
from tests.support.wire import Wire

pytestmark = pytest.mark.shared_server

# Each puts its provocations on the list when it is imported.
for module in ("provocations", "provocations_of_tables"):
    import_module(f"tests.acceptance.{module}")

TESTS = Path(__file__).parents[1]
CONTRACT = TESTS.parent / "proto" / "maitred" / "v1" / "reasons.proto"

# Reasons that no call of the client to a healthy server brings about: where they are shown instead, and why there.
SHOWN_ELSEWHERE = {
    "REQUEST_ID_MISSING": ("acceptance", "the client always sends one"),
    "COMBINATION_REDUNDANT": ("acceptance", "is only ever a reason within a plan"),
    "TABLE_AVOIDED": ("acceptance", "is only ever a reason within a plan"),
    "UNAUTHENTICATED": ("rpc", "the client always says who calls"),
    "SERVER_OVERLOADED": ("rpc", "needs a server that is as busy as it may be"),
    "DRAINING": ("rpc", "needs a server that is shutting down"),
    "INVARIANT_BROKEN": ("rpc", "must not happen, so a fault is put into the server"),
    "STORE_UNAVAILABLE": ("races", "needs a database that goes away"),
}


def contract() -> Iterator[Reason]:
    """What the comment of each value says."""
    messages = frozenset(errors_pb2.DESCRIPTOR.message_types_by_name)
    comment: list[str] = []
    for line in CONTRACT.read_text().splitlines():
        text = line.strip()
        if text.startswith("//"):
            comment.append(text.removeprefix("//"))
            continue
        if value := re.match(r"(ERROR_REASON_\w+) = ([1-9]\d*);", text):
            yield parse_reason(value[1], int(value[2]), "\n".join(comment), messages)
        comment = []


FOR_MACHINES = re.compile(r"\d{4}-\d\d-\d\dT")
FOR_PEOPLE = re.compile(r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? \S+")

REASONS = {reason.name: reason for reason in contract()}


def details_of(error: MaitredError) -> set[str]:
    """The details that came with an error, by the names of their messages."""
    present = {
        "BadRequest": bool(error.violations),
        "QuotaFailure": bool(error.quota_violations),
        "RetryInfo": error.retry_after_s is not None,
        "ConflictDetail": bool(error.conflicts),
        "FailedChecks": bool(error.failed_checks),
    }
    return {name for name, there in present.items() if there}


def numbers_in(message: str) -> set[str]:
    """Those that stand by themselves and are no part of a time; lengths of time in seconds."""
    found = re.findall(r"(?<![\w-])(\d+)( min)?(?![\w-])", FOR_PEOPLE.sub("", message))
    return {str(int(number) * (60 if minutes else 1)) for number, minutes in found}


async def recorded_refusals(server: Served) -> set[str]:
    found = await rows(
        server.database_url, "SELECT answer ->> 'reason' AS reason FROM idempotency_ledger WHERE refused"
    )
    return {each["reason"] for each in found}


def test_every_reason_is_provoked_here_or_shown_elsewhere() -> None:
    names = ErrorReason.keys()
    words = {name.removeprefix("ERROR_REASON_") for name in names} - {"UNSPECIFIED"}
    assert words == REASONS.keys()
    assert PROVOCATIONS.keys() | SHOWN_ELSEWHERE.keys() == words
    assert not PROVOCATIONS.keys() & SHOWN_ELSEWHERE.keys()


@pytest.mark.parametrize("word", SHOWN_ELSEWHERE)
def test_what_is_shown_elsewhere_is_looked_for_there(word: str) -> None:
    folder, _why = SHOWN_ELSEWHERE[word]
    named = re.compile(rf"\b({word}|{ERRORS[word].__name__})\b")
    texts = [path.read_text() for path in (TESTS / folder).glob("test_*.py")]
    assert any(named.search(text.partition("SHOWN_ELSEWHERE = {")[0] + _after_table(text)) for text in texts)


def _after_table(text: str) -> str:
    """What follows the table above, which is no evidence for itself."""
    return text.partition("SHOWN_ELSEWHERE = {")[2].partition("\n}\n")[2]


@pytest.mark.parametrize("word", PROVOCATIONS)
async def test_a_refusal_is_what_the_contract_says(word: str, place: House, server: Served) -> None:
    with pytest.raises(ERRORS[word]) as caught:
        await PROVOCATIONS[word](Stage(place, server))
    error, promised = caught.value, REASONS[word]
    assert error.code.name == promised.status[0]
    assert set(error.metadata) == set(promised.metadata)
    assert error.retry.value in promised.retry
    assert details_of(error) == set(promised.status[1:])
    for message in (error.message, *(check.message for check in error.failed_checks)):
        assert not FOR_MACHINES.search(message), "people read times by the restaurant's clock"
    told = set(error.metadata.values()).union(*(check.metadata.values() for check in error.failed_checks))
    if not error.violations:
        assert numbers_in(error.message) <= told
    if error.failed_checks and word not in ("POLICY_DRIFT", "STALE_CONTEXT", "NO_FEASIBLE_PLAN"):
        assert error.failed_checks[0].reason == word
        assert dict(error.failed_checks[0].metadata) == dict(error.metadata)
    if error.retry is RetryClass.SAME_KEY:
        assert word not in await recorded_refusals(server), "the identical call would never get any further"


async def test_a_mutating_call_without_request_id_is_refused(place: House, server: Served) -> None:
    request = place.booking_request()
    request.request_id = ""
    async with grpc.aio.insecure_channel(server.address) as channel:
        answer = await Wire(channel, server.tenant_id).call("/maitred.v1.BookingService/PutBooking", request)
    promised = REASONS["REQUEST_ID_MISSING"]
    assert not isinstance(answer, bytes)
    assert (answer.reason, answer.code.name) == ("REQUEST_ID_MISSING", promised.status[0])
    assert set(answer.metadata) == set(promised.metadata)
    assert answer.fields == ["request_id"]


@pytest.mark.parametrize("word", ["REQUEST_ID_REUSED", "REQUEST_IN_PROGRESS", "PERMISSION_MISSING"])
async def test_a_refusal_names_the_method_as_the_contract_does(
    word: str, place: House, server: Served
) -> None:
    error = await refused(PROVOCATIONS[word](Stage(place, server)), ERRORS[word])
    assert error.metadata["method"].rpartition("/")[2] == "PutBooking"


@pytest.mark.parametrize("kind", [CombinationRedundantError, TableAvoidedError])
async def test_a_reason_without_status_is_given_within_a_plan(kind: type[MaitredError], place: House) -> None:
    plan = await place.plan(await place.party(4), avoid=["W1"])
    given = {ErrorReason.Name(rejection.reason) for rejection in plan.rejections}
    assert f"ERROR_REASON_{kind.reason}" in given
    assert REASONS[kind.reason].status == ("NONE",)
