"""Parts start in order, stop in reverse, and each exactly once."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from server import lifecycle
from server.lifecycle import (
    Grace,
    Lifecycle,
    Part,
    closing_part,
    end_task,
    service_part,
    stop_signals,
)


class Stage:
    """Parts that write down what happens to them."""

    def __init__(self) -> None:
        self.happened: list[str] = []

    def part(self, name: str, start: Exception | None = None, stop: Exception | None = None) -> Part:
        async def starting() -> None:
            if start is not None:
                raise start
            self.happened.append(f"+{name}")

        async def stopping(grace: Grace) -> None:
            self.happened.append(f"-{name}")
            if stop is not None:
                raise stop

        return Part(name, starting, stopping)


async def test_parts_start_in_order_and_stop_in_reverse_once() -> None:
    stage = Stage()
    lifecycle = Lifecycle([stage.part("a"), stage.part("b"), Part("idle")], 1.0)
    await lifecycle.start()
    assert stage.happened == ["+a", "+b"]
    await lifecycle.stop()
    await lifecycle.stop()
    assert stage.happened == ["+a", "+b", "-b", "-a"]


async def test_a_service_is_started_and_stopped_and_what_is_there_already_is_closed() -> None:
    happened: list[str] = []

    class Running:
        async def start(self) -> None:
            happened.append("start")

        async def stop(self) -> None:
            happened.append("stop")

    async def close() -> None:
        happened.append("close")

    lifecycle = Lifecycle([closing_part("pool", close), service_part("service", Running())], 1.0)
    await lifecycle.start()
    await lifecycle.stop()
    assert happened == ["start", "stop", "close"]


async def test_when_a_part_does_not_start_those_before_it_are_stopped() -> None:
    stage = Stage()
    parts = [stage.part("a"), stage.part("b", start=OSError("no port")), stage.part("c")]
    with pytest.raises(OSError, match="no port"):
        await Lifecycle(parts, 1.0).start()
    assert stage.happened == ["+a", "-a"]


async def test_a_start_that_is_given_up_stops_what_it_has_started() -> None:
    stage, hangs = Stage(), asyncio.Event()

    async def hang() -> None:
        hangs.set()
        await asyncio.Event().wait()

    starting = asyncio.create_task(Lifecycle([stage.part("a"), Part("b", hang)], 1.0).start())
    await hangs.wait()
    starting.cancel()
    await asyncio.wait([starting])
    assert stage.happened == ["+a", "-a"]


async def test_a_task_is_over_when_it_was_ended_though_it_survives_some_cancellations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "CANCEL_AGAIN_S", 0.0)

    async def survive(times: int) -> None:
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    task = asyncio.create_task(survive(3))
    await asyncio.sleep(0)
    await end_task(task)
    assert task.done()


@pytest.mark.usefixtures("hangups_heard")
def test_the_end_of_the_terminal_stops_nobody_whom_nohup_has_started() -> None:
    assert signal.SIGHUP in stop_signals()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert set(stop_signals()) == {signal.SIGTERM, signal.SIGINT}


async def test_a_part_that_does_not_stop_cleanly_keeps_no_other_from_stopping() -> None:
    stage = Stage()
    lifecycle = Lifecycle([stage.part("a"), stage.part("b", stop=ValueError("stuck"))], 1.0)
    await lifecycle.start()
    with capture_logs() as logs:
        await lifecycle.stop()
    assert stage.happened[-2:] == ["-b", "-a"]
    assert [line["part"] for line in logs if line["event"] == "part_did_not_stop_cleanly"] == ["b"]


async def test_two_who_stop_wait_for_the_same_stop() -> None:
    going, may_end = asyncio.Event(), asyncio.Event()

    async def slow(grace: Grace) -> None:
        going.set()
        await may_end.wait()

    lifecycle = Lifecycle([Part("slow", stop=slow)], 60.0)
    await lifecycle.start()
    first, second = asyncio.create_task(lifecycle.stop()), asyncio.create_task(lifecycle.stop())
    await going.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not first.done()
    assert not second.done()
    first.cancel()
    may_end.set()
    await second


@pytest.mark.usefixtures("hangups_heard")
async def test_the_first_signal_asks_to_stop_and_the_second_one_to_hurry() -> None:
    stopping = asyncio.Event()
    finished: list[bool] = []

    async def patient(grace: Grace) -> None:
        stopping.set()
        finished.append(await grace.wait_for(asyncio.Event().wait()))

    lifecycle = Lifecycle([Part("patient", stop=patient)], 600.0)

    def stop_at_once() -> None:
        ending = (signal.SIG_DFL, signal.default_int_handler)
        assert signal.getsignal(signal.SIGHUP) not in ending, "the signal would end the tests"
        os.kill(os.getpid(), signal.SIGHUP)

    async def process() -> None:
        await lifecycle.start()
        await lifecycle.wait_for_signal(stop_at_once)
        await lifecycle.stop()

    running = asyncio.create_task(process())
    await stopping.wait()
    os.kill(os.getpid(), signal.SIGINT)
    async with asyncio.timeout(60):
        await running
    assert finished == [False]


async def test_grace_waits_for_work_and_passes_on_how_it_failed() -> None:
    async def fails() -> None:
        raise OSError("work")

    grace = Grace(60.0)
    assert await grace.wait_for(asyncio.sleep(0))
    with pytest.raises(OSError, match="work"):
        await grace.wait_for(fails())
    assert grace.remaining_s() > 0.0
    grace.hurry()
    assert grace.remaining_s() == 0.0


async def test_work_that_outlasts_the_grace_is_cancelled() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    grace = Grace(0.01)
    assert not await grace.wait_for(endless())
    await ended.wait()
    assert grace.remaining_s() == 0.0
