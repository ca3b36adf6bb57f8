"""What the README tells a newcomer to run works as it is printed, against the sample restaurant of `make dev`."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE

import pytest

from server.cli.embedded_server import SAMPLE_FILE
from server.cli.options import SAMPLE_TENANT
from server.cli.replay import load_restaurant
from server.cli.service_day_file import read_service_days
from server.cli.service_day_messages import stable_id
from tests.conftest import Served
from tests.support.programs import ROOT, buf_curl

README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:7420"


@pytest.fixture
async def sample(server: Served) -> Served:
    """A server with the restaurant that `make dev` loads, for the tenant that the README names."""
    (day,) = read_service_days(SAMPLE_FILE)
    served = Served(server.address, server.database_url, SAMPLE_TENANT)
    async with served.client() as client:
        await load_restaurant(client, day, stable_id(day, "restaurant", "dev"))
    return served


def example(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(block)


async def test_the_python_example_confirms_a_table(sample: Served) -> None:
    program = example("python").replace(ADDRESS, sample.address)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=PIPE,
        stderr=PIPE,
        env={"PYTHONPATH": f"{ROOT}/gen:{ROOT}/clients"},
    )
    out, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()
    status, tables = out.decode().split(maxsplit=1)
    assert status == "BOOKING_STATUS_CONFIRMED"
    assert re.fullmatch(r"\['[0-9a-f-]{36}'\]\n", tables)


async def test_the_generic_call_plans(sample: Served) -> None:
    headers = set(re.findall(r"-H '([^']+)'", README))
    bodies = {" ".join(body.split()) for body in re.findall(r"-d '([^']+)'", README)}
    assert len(headers) == len(bodies) == 1, "the buf and the grpcurl form ask the same question"
    url = f"http://{sample.address}/maitred.v1.PlannerService/PlanTables"
    answer = json.loads(await buf_curl("-H", *headers, "-d", *bodies, url))
    assert answer["outcome"] == "PLAN_OUTCOME_FEASIBLE"


def test_every_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) <= targets
