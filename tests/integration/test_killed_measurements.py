"""What `load`, `bench` and `torture` have started when they are killed themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Nobody waits for its end unless something is wrong.
STARTED = """
import sys, time
with open(sys.argv[1], "w") as told:
    print("up", file=told, flush=True)
    time.sleep(30)
    print("not ended", file=told)
"""
BY = {
    "bench": """
import asyncio, sys
from server.bench.programs import running

async def measure():
    async with running("-c", sys.argv[1], sys.argv[2], sign="up", settings={}):
        pass

asyncio.run(measure())
""",
    "torture": """
import asyncio, sys
from pathlib import Path
from server.torture.programs import Program

async def torture():
    await Program((sys.executable, "-c", *sys.argv[1:]), {}, Path(sys.argv[2] + ".log")).start()
    await asyncio.sleep(60)

asyncio.run(torture())
""",
}


@pytest.mark.parametrize("program", BY.values(), ids=BY)
def test_programs_end_with_the_one_that_started_them_even_when_it_is_killed(
    program: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = (sys.executable, "-c", program, STARTED, str(pipe))
    with subprocess.Popen(command, env=environment) as starting, pipe.open() as told:
        assert told.readline() == "up\n"
        starting.kill()
        assert told.read() == ""
