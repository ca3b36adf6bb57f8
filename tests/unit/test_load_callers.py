"""How callers ask: what they repeat and what not, what they wait for, and what they notice and write down."""

import asyncio
from pathlib import Path
from random import Random
from time import monotonic_ns
from uuid import UUID

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from loadgen.acting.asking import Caller, Found, Manners
from loadgen.checking.history import HistoryWriter, Recorded, read_history
from loadgen.driving import Line, Outcome, Reply, Tally, metadata_of
from loadgen.scenario import Answers
from maitred_client.messages import (
    Assignment,
    AutoAssignOutcome,
    AutoAssignRequest,
    AutoAssignResponse,
    Hold,
    HoldTablesRequest,
    HoldTablesResponse,
)
from tests.support.scripted_server import TENANT, Refusal, ScriptedServer, refusal, scripted_server

HELD = HoldTablesResponse(hold=Hold(hold_id="h1", table_ids=["t1"]))
OTHER = HoldTablesResponse(hold=Hold(hold_id="h2", table_ids=["t1"]))
CONFLICT = refusal(grpc.StatusCode.ABORTED, "TABLE_CONFLICT_HELD")
GONE = Refusal(grpc.StatusCode.UNAVAILABLE)
OVERLOADED = refusal(
    grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED", RetryInfo(retry_delay=Duration(nanos=1_000))
)


async def hold(
    server: ScriptedServer,
    answers: Answers | None = None,
    *,
    patient: bool = True,
    writer: HistoryWriter | None = None,
) -> tuple[Caller, Reply]:
    """One hold by one caller, and what the caller was told last."""
    async with Line(server.address, metadata_of(TENANT, "tests")) as line:
        manners = Manners(answers or Answers(), patient, timeout_s=10.0)
        caller = Caller([line], manners, Random(1), writer, asyncio.Event())
        about = Recorded("", restaurant_id="r1", table_ids=("t1",))
        reply = await caller.change("HoldTables", HoldTablesRequest(), about, monotonic_ns())
    return caller, reply


def request_ids(server: ScriptedServer) -> list[str]:
    return [HoldTablesRequest.FromString(asked.request).request_id for asked in server.asked]


async def test_a_change_that_was_done_or_refused_is_asked_for_once() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", HELD, CONFLICT)
        _, done = await hold(server)
        _, refused = await hold(server)
    assert (done.outcome, refused.outcome, refused.reason) == (
        Outcome.OK,
        Outcome.REFUSED,
        "TABLE_CONFLICT_HELD",
    )
    assert len(server.asked) == 2


async def test_a_patient_caller_repeats_the_same_call_until_it_knows_what_became_of_it() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", GONE, GONE, HELD)
        caller, reply = await hold(server)
    assert reply.outcome is Outcome.OK
    assert len(server.asked) == 3
    assert len(set(request_ids(server))) == 1
    assert caller.found.repeats == 2
    assert caller.found.tally.outcomes() == {Outcome.UNKNOWN: 2, Outcome.OK: 1}


async def test_a_patient_caller_waits_as_long_as_an_overloaded_server_asks() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", OVERLOADED, HELD)
        _, reply = await hold(server)
    assert reply.outcome is Outcome.OK


async def test_a_caller_of_an_open_loop_takes_an_overloaded_server_as_a_refusal() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", OVERLOADED, HELD)
        caller, reply = await hold(server, patient=False)
    assert (reply.outcome, reply.reason) == (Outcome.REFUSED, "SERVER_OVERLOADED")
    assert caller.found.tally.replies == {("HoldTables", "RESOURCE_EXHAUSTED", "SERVER_OVERLOADED"): 1}


@pytest.mark.parametrize(("second", "unequal"), [(HELD, 0), (OTHER, 1), (CONFLICT, 1), (OVERLOADED, 0)])
async def test_a_dropped_answer_is_asked_for_again_and_must_be_the_same(
    second: HoldTablesResponse | Refusal, unequal: int
) -> None:
    async with scripted_server() as server:
        server.will("HoldTables", HELD, second, HELD)
        caller, _ = await hold(server, Answers(dropped=1.0))
    assert len(set(request_ids(server))) == 1
    assert caller.found.unequal == unequal


async def test_a_call_that_is_cut_off_has_little_time_and_its_repeat_has_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = []

    async def send(_line: Line, _path: str, body: bytes, timeout_s: float) -> Reply:
        given.append((HoldTablesRequest.FromString(body).request_id, timeout_s))
        return Reply("OK", "", HELD.SerializeToString(), 1)

    monkeypatch.setattr(Line, "send", send)
    async with scripted_server() as server:
        await hold(server, Answers(cut=1.0, cut_ms=7.0))
    request_id = str(UUID(given[0][0]))
    assert given == [(request_id, 0.007), (request_id, 10.0)]


async def test_an_automatic_assignment_that_ran_out_of_time_is_not_known_and_later_answers_name_one_assignment(
    tmp_path: Path,
) -> None:
    writer = HistoryWriter(tmp_path, 0, "seed")
    ran_out = AutoAssignResponse(outcome=AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_TIMEOUT_BEFORE_CONFIRM)
    late = AutoAssignResponse(
        outcome=AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_TIMEOUT_AFTER_CONFIRM,
        assignment=Assignment(assignment_id="a1"),
    )
    in_time = AutoAssignResponse(
        outcome=AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME, assignment=late.assignment
    )
    other = AutoAssignResponse(assignment=Assignment(assignment_id="a2"))
    found = []
    async with scripted_server() as server, Line(server.address) as line:
        for answers in ((ran_out, late), (late, in_time), (late, ran_out), (late, other)):
            server.will("AutoAssign", *answers)
            manners = Manners(Answers(dropped=1.0), patient=True, timeout_s=10.0)
            caller = Caller([line], manners, Random(1), writer, asyncio.Event())
            await caller.change("AutoAssign", AutoAssignRequest(), Recorded(""), None)
            found.append(caller.found.unequal)
    writer.close()
    assert found == [0, 0, 0, 1]
    outcomes = [call.outcome for call in read_history(tmp_path).calls]
    assert outcomes == ["unknown", "ok", "ok", "ok", "ok", "unknown", "ok", "ok"]


async def test_what_was_asked_and_told_is_written_down(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, 0, "seed")
    async with scripted_server() as server:
        server.will("HoldTables", GONE, HELD)
        await hold(server, writer=writer)
    writer.close()
    first, second = read_history(tmp_path).calls
    assert (first.outcome, first.reason, second.outcome, second.answer["hold"]["hold_id"]) == (
        "unknown",
        "UNAVAILABLE",
        "ok",
        "h1",
    )
    assert (first.attempt, second.attempt, first.table_ids) == (1, 2, ("t1",))
    assert first.request_id == second.request_id
    assert first.request_digest == second.request_digest != ""


def test_what_the_callers_of_all_processes_found_is_one() -> None:
    together = Found(Tally())
    for number in (1, 2):
        found = Found(Tally(), operations=10 * number, repeats=3 * number, unequal=number)
        found.tally.note("HoldTables", Reply("OK", "", b"", 1), 0)
        together.merge(found)
    assert (together.operations, together.repeats, together.unequal, together.tally.calls) == (30, 9, 3, 2)
