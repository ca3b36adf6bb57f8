"""`maitred health` asks whoever runs."""

import asyncio
from unittest.mock import AsyncMock

import pytest

from server import diagnosis
from server.bootstrap import Database
from server.cli.failures import ExitCode
from server.config import load_settings
from server.persistence.inspection import DatabaseFacts
from server.rpc.health import HealthAnswer
from tests.conftest import Served
from tests.support.database import connected
from tests.support.programs import buf_curl, run
from tests.support.working import worker_on


async def test_a_server_and_a_worker_tell_their_services(server: Served) -> None:
    async with worker_on(server.database_url) as worker:
        of_server, of_worker = await asyncio.gather(
            run("health", "--address", server.address, "-o", "json"),
            run("health", "--address", worker.address, "-o", "json"),
        )
    told = of_server.json()
    assert told["status"] == "SERVING"
    assert "maitred.v1.AssignmentService" in told["services"]
    told = of_worker.json()
    assert (told["status"], told["services"]["sweeper"]) == ("SERVING", "SERVING")
    gone = await run("health", "--address", worker.address)
    assert gone.code == ExitCode.UNREACHABLE
    assert worker.address in gone.err


async def test_a_generic_client_asks_a_worker_about_one_service(server: Served) -> None:
    async with worker_on(server.database_url) as worker:
        url = f"http://{worker.address}/grpc.health.v1.Health/Check"
        assert "SERVING" in await buf_curl("-d", '{"service": "relay_lease"}', url)


async def test_what_does_not_serve_ends_the_command_with_7(server: Served) -> None:
    async with worker_on(server.database_url, round_failures_max=1, sweep_s=0.05) as worker:
        await break_the_sweeper(server.database_url)
        async with asyncio.timeout(100):
            while (ended := await run("health", "--address", worker.address)).code != ExitCode.NOT_READY:
                pass
    assert "NOT_SERVING" in ended.out


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (HealthAnswer("NOT_SERVING", {"maitred.v1.OpsService": "NOT_SERVING"}), "its log says"),
        (HealthAnswer("no answer (UNAVAILABLE)"), "maitred serve"),
        (HealthAnswer("no answer (UNAVAILABLE)"), "MAITRED_PORT"),
    ],
)
async def test_the_doctor_knows_a_server_that_does_not_serve_from_none(
    answer: HealthAnswer, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "ask_health", AsyncMock(return_value=answer))
    settings = load_settings(database_url="postgresql://maitred@127.0.0.1:1/maitred")
    server = {finding.name: finding for finding in await diagnosis.diagnose(settings)}["server"]
    assert not server.ok
    assert remedy in server.remedy


@pytest.mark.parametrize(("ahead_s", "ok"), [(0.9, True), (1.1, False), (-0.9, True), (-1.1, False)])
async def test_the_doctor_finds_clocks_that_differ_whichever_is_ahead(
    ahead_s: float, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = DatabaseFacts("16.1", False, "", ahead_s, ())
    monkeypatch.setattr(diagnosis, "database_facts", AsyncMock(return_value=facts))
    monkeypatch.setattr(diagnosis, "migration_check", AsyncMock(return_value=()))
    found = await diagnosis._database_findings(load_settings(), Database("", "16.1", "configured"))
    assert {each.name: each.ok for each in found}["clock"] is ok


@pytest.mark.parametrize(
    ("exclusion", "form"),
    [
        ("", "none"),
        ("EXCLUDE USING gist (restaurant_id WITH =, table_id WITH =, during WITH &&)", "btree_gist"),
        ("EXCLUDE USING gist (uuidrange(table_id, table_id, '[]') WITH &&, during WITH &&)", "core"),
    ],
)
def test_the_doctor_knows_the_forms_of_the_constraint(exclusion: str, form: str) -> None:
    assert DatabaseFacts("16.1", True, exclusion, 0.0, ()).exclusion_form == form


async def break_the_sweeper(url: str) -> None:
    """The sweeper's question cannot be answered any more."""
    async with connected(url) as connection:
        await connection.execute("ALTER TABLE holds RENAME COLUMN expires_at TO ends_at")
