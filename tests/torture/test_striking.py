"""Each fault meets whom it is to meet, and everything runs again after it."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from server.lifecycle import end_task
from server.torture import striking
from server.torture.house import House
from server.torture.passage import Link, Passage, TcpTarget
from server.torture.schedule import DISTURBANCES, KILLS, Fault, Kind
from server.torture.striking import Striker


def fault(kind: Kind, *, draw: float = 0.0, share: float = 0.5) -> Fault:
    return Fault(at=0.0, kind=kind, lasts_s=0.0, draw=draw, share=share)


class Noted:
    """A connection to which everything is done in writing."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def cut(self) -> None:
        self.done.append("cut")

    def cut_in_mid_answer(self) -> None:
        self.done.append("cut in mid-answer")

    def swallow(self) -> None:
        self.done.append("swallow")

    def stall(self) -> None:
        self.done.append("stall")

    def resume(self) -> None:
        self.done.append("resume")

    def slow(self, delay_s: float) -> None:
        self.done.append("slow" if delay_s else "hurry")


def passage(links: int) -> Passage:
    found = Passage(TcpTarget(0))
    found.links = {cast(Link, Noted()) for _ in range(links)}
    return found


def program(*pids: int) -> Mock:
    """One that runs, in as many processes."""
    found = Mock(running=True, start=AsyncMock(), kill=AsyncMock(), ended=AsyncMock())
    found.itself.return_value = [Mock(pid=pid) for pid in pids]
    return found


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(striking, "Link", Noted)
    workers = (program(21), program(22))
    servers = program(10)
    found = Mock(spec=House, front=passage(4), back=passage(4), servers=servers, workers=workers, processes=2)
    found.programs = (servers, *workers)
    found.postgres = Mock()
    found.start_postgres = AsyncMock()
    found.server_processes.return_value = [Mock(pid=11), Mock(pid=12)]
    return found


async def struck(house: Any, faults: Sequence[Fault], jumps: list[float] | None = None) -> Striker:
    said: list[str] = []
    striker = Striker(house, lambda: 1.0, ([] if jumps is None else jumps).append, said.append)
    await striker.run(faults)
    assert len(said) == len(striker.strikes.struck) == len(faults)
    return striker


def done_to(passage: Passage) -> list[list[str]]:
    """What was done to each connection to which anything was done."""
    return [cast(Noted, link).done for link in passage.links if cast(Noted, link).done]


@pytest.mark.parametrize(
    ("calls", "database", "done"),
    [
        (Kind.CUT_CALLS, Kind.CUT_DATABASE, ["cut"]),
        (Kind.CUT_ANSWERS, Kind.CUT_DATABASE_ANSWERS, ["cut in mid-answer"]),
        (Kind.SWALLOW_ANSWERS, Kind.SWALLOW_DATABASE, ["swallow", "cut"]),
        (Kind.STALL_CALLS, Kind.STALL_DATABASE, ["stall", "resume"]),
        (Kind.SLOW_CALLS, Kind.SLOW_DATABASE, ["slow", "hurry"]),
    ],
)
async def test_a_share_of_the_connections_is_disturbed_and_no_other(
    house: Any, calls: Kind, database: Kind, done: list[str]
) -> None:
    await struck(house, [fault(calls)])
    assert (done_to(house.front), done_to(house.back)) == ([done, done], [])
    await struck(house, [fault(database, share=0.1)])
    assert (done_to(house.front), done_to(house.back)) == ([done, done], [done])


async def test_a_disturbance_lasts_as_long_as_it_is_to(house: Any) -> None:
    begun = asyncio.Event()
    striker = Striker(house, lambda: 1.0, lambda _: None, lambda _: begun.set())
    long = Fault(0.0, Kind.STALL_CALLS, lasts_s=1_000.0, draw=0.0, share=1.0)
    striking_it = asyncio.create_task(striker.run([long]))
    await asyncio.wait_for(begun.wait(), 10)
    await asyncio.sleep(0)
    assert done_to(house.front) == [["stall"]] * 4
    await end_task(striking_it)
    assert done_to(house.front) == [["stall", "resume"]] * 4


async def test_the_clock_is_set_and_set_right_again(house: Any) -> None:
    jumps: list[float] = []
    (there,) = (await struck(house, [fault(Kind.JUMP_CLOCK)], jumps)).strikes.struck
    assert jumps == [there.fault.jump_s, 0.0]


@pytest.mark.parametrize(("draw", "number"), [(0.0, 0), (0.6, 1)])
async def test_one_process_is_paused_and_goes_on(house: Any, draw: float, number: int) -> None:
    servers, workers = house.server_processes(), [each.itself()[0] for each in house.workers]
    await struck(house, [fault(Kind.PAUSE_SERVER, draw=draw), fault(Kind.PAUSE_WORKER, draw=draw)])
    for processes in (servers, workers):
        done = [[name for name, *_ in each.method_calls] for each in processes]
        assert done == [["suspend", "resume"] if each == number else [] for each in range(2)]


@pytest.mark.parametrize("kind", KILLS)
async def test_one_is_killed_and_everything_is_started_again(house: Any, kind: Kind) -> None:
    await struck(house, [fault(kind, draw=0.6)])
    killed = {
        Kind.KILL_POSTGRES: [house.postgres.kill],
        Kind.KILL_SUPERVISOR: [house.servers.kill],
        Kind.KILL_SERVER: [house.server_processes()[1].kill],
        Kind.KILL_WORKER: [house.workers[1].kill],
    }
    for each, victims in killed.items():
        assert [victim.call_count for victim in victims] == [each is kind]
    assert house.server_processes()[0].kill.call_count == house.workers[0].kill.call_count == 0
    house.start_postgres.assert_awaited_once()
    assert all(each.start.await_count for each in house.programs)


async def test_no_fault_comes_before_its_time(house: Any) -> None:
    looks = iter((0.0, 0.4, 0.5))
    striker = Striker(house, lambda: next(looks), lambda _: None, lambda _: None)
    await striker.run([Fault(0.5, Kind.CUT_CALLS, 0.0, 0.0, 0.5)])
    assert next(looks, None) is None
    assert done_to(house.front) == [["cut"], ["cut"]]


async def test_what_has_ended_by_itself_is_counted_and_started_again(house: Any) -> None:
    started = asyncio.Event()

    def start() -> None:
        house.workers[1].running = True
        started.set()

    house.workers[1].running = False
    house.workers[1].start.side_effect = start
    striker = Striker(house, lambda: 1.0, lambda _: None, lambda _: None)
    reviving = asyncio.create_task(striker.revive())
    await asyncio.wait_for(started.wait(), 10)
    await end_task(reviving)
    assert striker.strikes.ended_by_itself == {"worker": 1}
    house.servers.start.assert_not_called()


def test_every_disturbance_can_be_done(house: Any) -> None:
    striker = Striker(house, lambda: 1.0, lambda _: None, lambda _: None)
    assert striker._disturbances.keys() == set(DISTURBANCES)
