"""How gRPC's coroutine that takes calls is held up, whatever happens to it meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from server.rpc import accepting, admission
from server.rpc.accepting import paced_by
from server.rpc.admission import Admission, Fate

HOLD = "/maitred.v1.AssignmentService/HoldTables"
Arrive = Callable[[], Awaitable[None]]


def taking(arrive: Arrive, taken: list[str]) -> "asyncio.Task[None]":
    """What gRPC does: takes call after call until it is told to stop. A call that comes to nothing is one of them."""

    async def _server_main_loop() -> None:
        while True:
            try:
                await arrive()
            except ConnectionError as error:
                taken.append(str(error))
            except asyncio.CancelledError:
                taken.append("stopped")
                return
            else:
                taken.append("call")

    return asyncio.create_task(_server_main_loop())


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def full() -> Admission:
    admission = Admission(1)
    assert admission.enter(HOLD, None) is None
    return admission


async def test_a_full_server_takes_one_call_for_each_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "STALLED_S", 60.0)
    at, taken = full(), list[str]()
    with paced_by(at):
        task = taking(lambda: asyncio.sleep(0), taken)
    await turns()
    assert taken == []
    at.leave(HOLD, 0.1, Fate.ANSWERED)
    await turns()
    assert taken
    assert at.enter(HOLD, None) is None
    before = len(taken)
    await turns()
    assert len(taken) <= before + 1
    task.cancel()
    await task
    assert taken[-1] == "stopped"


async def test_when_none_of_those_in_work_ends_the_next_call_is_taken_to_be_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "STALLED_S", 0.01)
    at, taken = full(), list[str]()
    with paced_by(at):
        task = taking(lambda: asyncio.sleep(0), taken)
    async with asyncio.timeout(30):
        while not taken:  # noqa: ASYNC110 gRPC's side of it tells nobody
            await asyncio.sleep(0.005)
    task.cancel()
    await task


async def test_what_fails_while_calls_are_taken_fails_where_it_would_have() -> None:
    taken = list[str]()

    async def broken() -> None:
        failed = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failed.set_exception, ConnectionError("reset"))
        await failed

    with paced_by(Admission(1)):
        task = taking(broken, taken)
    await turns()
    task.cancel()
    await task
    assert taken[0] == "reset"
    assert taken[-1] == "stopped"


async def test_a_server_whose_calls_cannot_be_held_up_says_so_and_other_tasks_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = list[str]()
    monkeypatch.setattr(accepting, "log", SimpleNamespace(warning=said.append))
    with paced_by(full()):
        assert await asyncio.create_task(asyncio.sleep(0, "done"), name="another") == "done"
    assert said == ["calls_not_paced"]
    assert asyncio.get_running_loop().get_task_factory() is None
