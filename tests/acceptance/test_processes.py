"""Several processes that serve on one port, as `maitred serve --processes` starts them."""

import asyncio
import os
import re
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.request import urlopen
from uuid import uuid4

import grpc.aio
import psutil
import pytest
from pydantic import SecretStr

from maitred_client import AsyncMaitredClient
from maitred_client.messages import ListRestaurantsRequest
from server.bootstrap import StartError
from server.config import Settings, as_environment, load_settings
from server.processes import child, server_process
from server.processes.port import require_free_port, reserved_port
from server.processes.server_process import ServerProcess
from server.processes.supervisor import OVERTIME_S, ServerProcesses, _of_each, several_serving
from tests.support.database import connected
from tests.support.programs import said, started
from tests.support.wire import Wire

LIST = "/maitred.v1.InventoryService/ListRestaurants"
LOCK = "LOCK TABLE restaurants IN ACCESS EXCLUSIVE MODE"
IN_WORK = re.compile(r'^maitred_server_in_work{kind="call"} ([0-9.]+)$', re.MULTILINE)
COUNTED = re.compile(r"^rpc_server_call_duration_seconds_count{.*} ([0-9.]+)$", re.MULTILINE)
# Connections that go to one of two processes as a coin falls: never all to the same.
CONNECTIONS = 40


@dataclass(frozen=True, slots=True)
class Two:
    """Two processes, and the one that looks after them."""

    supervisor: Process
    address: str
    metrics: tuple[str, ...]

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.supervisor.pid).children()

    async def shown(self, figure: re.Pattern[str]) -> list[int]:
        """A figure of each process."""
        return [await asyncio.to_thread(self._shown, url, figure) for url in self.metrics]

    def _shown(self, url: str, figure: re.Pattern[str]) -> int:
        with urlopen(url) as page:
            return sum(int(float(found)) for found in figure.findall(page.read().decode()))


@asynccontextmanager
async def two(
    database_url: str, log_level: str = "error", trace_exporter: str = "none"
) -> AsyncIterator[Two]:
    arguments = ("serve", "--processes", "2", "--port", "0", "--metrics-port", "0")
    settings = {"database_url": database_url, "log_level": log_level, "pool_size_min": "1"}
    # What waits for a lock of the test's waits for as long as that takes.
    settings["deadline_s_default"] = "60"
    settings["trace_exporter"] = trace_exporter
    async with started(*arguments, settings=settings) as supervisor:
        metrics = (await said(supervisor, "measurements on "), await said(supervisor, "measurements on "))
        yield Two(supervisor, await said(supervisor, "serving on "), metrics)


@asynccontextmanager
async def connections(address: str) -> AsyncIterator[list[Wire]]:
    """Callers with a connection each."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with AsyncExitStack() as open_channels:
        yield [
            Wire(await open_channels.enter_async_context(grpc.aio.insecure_channel(address, options=options)))
            for _ in range(CONNECTIONS)
        ]


async def test_all_of_them_answer_one_that_is_killed_is_replaced_and_none_outlives_what_looks_after_them(
    shared_database: str,
) -> None:
    async with two(shared_database, log_level="info") as here:
        async with connections(here.address) as wires:
            for wire in wires:
                assert isinstance(await wire.call(LIST), bytes)
        # A call is counted after it was answered.
        while sum(counts := await here.shown(COUNTED)) < CONNECTIONS:
            continue
        assert (sum(counts), min(counts) > 0) == (CONNECTIONS, True)

        async with AsyncMaitredClient(here.address, tenant_id=uuid4(), actor="tests") as client:

            async def calls_without_end() -> None:
                while True:
                    await client.list_restaurants(ListRestaurantsRequest())

            calling = asyncio.create_task(calls_without_end())
            before = here.children()
            # Ctrl-C goes to the terminal's whole group, and a second signal cuts a drain short.
            assert [os.getpgid(child.pid) for child in before] == [child.pid for child in before]
            before[0].kill()
            await said(here.supervisor, "server_process_ended")
            await said(here.supervisor, '"event": "server_process_started"')
            assert re.search('"process": [01]', await said(here.supervisor, '"event": "call"'))
            assert not calling.done()
            calling.cancel()
            await asyncio.wait([calling])
        after = here.children()
        assert len(after) == 2
        assert before[1] in after

        here.supervisor.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, after, 60)
        for survivor in alive:
            survivor.kill()
        assert alive == []


async def test_sigterm_loses_no_call_of_any_of_them_nor_the_traces_that_they_print(
    shared_database: str,
) -> None:
    async with (
        two(shared_database, trace_exporter="console") as here,
        connected(shared_database) as other,
    ):
        async with connections(here.address) as wires, other.transaction():
            await other.execute(LOCK)
            calls = [asyncio.ensure_future(wire.call(LIST)) for wire in wires]
            while sum(in_work := await here.shown(IN_WORK)) < CONNECTIONS:
                assert not any(call.done() for call in calls)
            assert min(in_work) > 0
            here.supervisor.send_signal(signal.SIGTERM)
            await said(here.supervisor, "draining")
            await other.execute("ROLLBACK")
            await other.execute("BEGIN")
            assert all(isinstance(answer, bytes) for answer in await asyncio.gather(*calls))
        await said(here.supervisor, f'"name": "{LIST}"')
        assert await here.supervisor.wait() == 0


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_of_somebody_else_is_refused_even_where_it_could_be_shared(shares: bool) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shares))
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(StartError, match=f"port: cannot listen on 127.0.0.1:{port}"),
            reserved_port("127.0.0.1", port),
        ):
            raise AssertionError("the port was taken")


def test_an_address_that_is_not_of_this_machine_is_not_called_taken() -> None:
    for ask in (require_free_port, lambda host, port: reserved_port(host, port).__enter__()):
        with pytest.raises(
            StartError, match=r"^host and port: cannot listen on 192\.0\.2\.1:0: Cannot assign"
        ):
            ask("192.0.2.1", 0)


def test_what_cannot_be_a_host_is_refused_in_a_sentence() -> None:
    for ask in (require_free_port, lambda host, port: reserved_port(host, port).__enter__()):
        with pytest.raises(StartError, match=r"^host and port: cannot listen on 127\.\.0\.1:0: no host"):
            ask("127..0.1", 0)


def test_connections_that_are_left_of_a_server_that_is_gone_keep_nobody_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller:
            # Who closes first keeps the address for a minute.
            gone.accept()[0].close()
            assert caller.recv(1) == b""
    require_free_port("127.0.0.1", port)
    with reserved_port("127.0.0.1", port) as kept:
        assert kept == port


async def test_what_cannot_start_at_all_ends_everything_with_the_same_words(settings: Settings) -> None:
    several = settings.model_copy(update={"processes": 2})
    with pytest.raises(StartError, match="the database cannot be reached"):
        async with several_serving(several, "postgresql://nobody@127.0.0.1:1/nothing"):
            raise AssertionError("it served without a database")


@pytest.mark.parametrize(
    ("settled_s", "waits"), [(60.0, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]), (0.0, [0.0] * 9)]
)
async def test_one_that_ends_is_started_again_later_and_later_whatever_kept_it_from_starting(
    monkeypatch: pytest.MonkeyPatch, settled_s: float, waits: list[float]
) -> None:
    """At once when it had served for a while."""
    problems = [StartError("no database"), OSError("no memory"), ValueError("not its address")] * 3
    waited: list[float] = []
    started = asyncio.Event()

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    async def start(_: ServerProcess) -> None:
        if len(problems) > 1:
            raise problems.pop()
        started.set()
        await asyncio.Future()

    monkeypatch.setattr(server_process, "SETTLED_S", settled_s)
    monkeypatch.setattr(server_process, "asyncio", SimpleNamespace(sleep=wait))
    monkeypatch.setattr(ServerProcess, "start", start)
    keeping, waiting = (asyncio.create_task(each) for each in (ServerProcess(0, {}).keep(), started.wait()))
    done, _ = await asyncio.wait((keeping, waiting), return_when=asyncio.FIRST_COMPLETED)
    keeping.cancel()
    assert done == {waiting}
    assert waited == pytest.approx(waits)


@pytest.mark.parametrize(("size_min", "each"), [(2, 6), (10, 10)])
def test_they_share_the_connections_and_transactions_of_one_but_each_has_the_least(
    size_min: int, each: int
) -> None:
    settings = load_settings(processes=3, pool_size_min=size_min, pool_size_max=16, groups_max=4)
    shared = _of_each(settings, "postgresql://a:b@c/d", 7)
    assert (shared.pool_size_max, shared.groups_max, shared.port) == (each, 2, 7)
    assert shared.database_url == SecretStr("postgresql://a:b@c/d")


@pytest.mark.parametrize(("port", "own"), [(9_100, "9102"), (0, "0"), (None, "None")])
async def test_each_shows_its_measurements_at_a_port_of_its_own(
    monkeypatch: pytest.MonkeyPatch, port: int | None, own: str
) -> None:
    def ask_for(port: int | None) -> None:
        raise StartError(str(port))

    monkeypatch.setattr(child, "show_measurements", ask_for)
    settings = load_settings(database_url="postgresql://a:b@c/d", metrics_port=port)
    with pytest.raises(StartError, match=f"^{own}$"):
        await child._serve(settings, 2)


class Busy(ServerProcess):
    """Ends when it has been told to so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(0, {})
        self.told: list[signal.Signals] = []
        self.starts = 0
        self.asked, self._over, self._times = asyncio.Event(), asyncio.Event(), times

    async def start(self) -> None:
        self.starts += 1

    def tell(self, number: signal.Signals) -> None:
        self.told.append(number)
        self.asked.set()
        if len(self.told) == self._times:
            self._over.set()

    async def ended(self) -> None:
        await self._over.wait()


@pytest.mark.usefixtures("hangups_heard")
async def test_a_second_signal_while_they_drain_is_passed_on() -> None:
    busy = Busy(2)
    several = ServerProcesses([busy], 600.0)
    await several.wait(lambda: os.kill(os.getpid(), signal.SIGHUP))
    draining = asyncio.create_task(several.drain())
    await busy.asked.wait()
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(60):
        await draining
    assert busy.told == [signal.SIGTERM] * 2


async def test_one_that_does_not_end_in_time_is_killed_and_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_process, "SETTLED_S", 0.0)
    busy = Busy(2)
    several = ServerProcesses([busy], -OVERTIME_S)
    await several.start()
    await several.drain()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (busy.told, busy.starts) == ([signal.SIGTERM, signal.SIGKILL], 1)


def test_another_process_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = load_settings(
        database_url="postgresql://a:b@c/d", sinks="telemetry,log", metrics_port=1, drain_s=3
    )
    for name, value in as_environment(given).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == given
    assert given.database_url == SecretStr("postgresql://a:b@c/d")
