"""One of several processes that serve on the same port.

Run as `python -m server.processes.child NUMBER PARENT_PID` with the settings in the environment. It says on standard
output, as one line of JSON, where it serves, or why it cannot. What is printed later goes to standard error.
"""

import asyncio
import json
import os
import signal
import sys

import structlog
import uvloop

from server.bootstrap import StartError, serving
from server.config import Settings, load_settings
from server.launcher import die_with
from server.lifecycle import keep_what_is_there
from server.measuring import show_measurements

ADDRESS, METRICS, PROBLEM = "address", "metrics", "problem"


def main(number: int, parent_pid: int) -> None:
    """Serves until SIGTERM, and never longer than its parent lives."""
    # Callers of a server whose parent was killed lose their calls as those of a server that was killed itself do; one
    # that lived on would keep the port from the next.
    die_with(parent_pid, signal.SIGKILL)
    structlog.contextvars.bind_contextvars(process=number)
    settings = load_settings()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings, number))
        except StartError as problem:
            _tell(**{PROBLEM: str(problem)})
            sys.exit(1)


async def _serve(settings: Settings, number: int) -> None:
    assert settings.database_url is not None, "whoever starts it says which database"
    port = settings.metrics_port
    metrics = show_measurements(port + number if port else port)
    async with serving(settings, settings.database_url.get_secret_value()) as server:
        keep_what_is_there()
        _tell(**{ADDRESS: server.address, METRICS: metrics or ""})
        # The parent reads no more. An exporter that prints would fill the pipe, and wait for ever when it is stopped.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        await server.wait()
        await server.drain()


def _tell(**facts: str) -> None:
    print(json.dumps(facts), flush=True)  # noqa: T201  # it is what the parent reads


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
