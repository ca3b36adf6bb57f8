"""One of several server processes, as the one that looks after them sees it."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping

import structlog

from server.bootstrap import StartError
from server.config import other_variables
from server.processes.child import ADDRESS, METRICS, PROBLEM

log = structlog.get_logger(__name__)

CHILD = "server.processes.child"
AGAIN_S, AGAIN_S_MAX = 0.1, 5.0
# Whoever served so long has ended for another reason than the one before.
SETTLED_S = 10.0


class ServerProcess:
    """Started, and started again whenever it has ended. `metrics` is where it shows its measurements, if it does."""

    def __init__(self, number: int, settings: Mapping[str, str], program: str = CHILD) -> None:
        """`number` is counted from 0; `settings` is the part of its environment that is ours; `program` the module."""
        self._number = number
        self._settings = settings
        self._program = program
        self._process: Process | None = None
        self.address = ""
        self.metrics = ""

    async def start(self) -> None:
        """Returns when it serves. Raises `StartError` with its own words when it cannot."""
        # In a session of its own, because Ctrl-C goes to all of a terminal's: it is told to stop by us.
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            self._program,
            str(self._number),
            str(os.getpid()),
            env={**other_variables(), **self._settings},
            stdin=DEVNULL,
            stdout=PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None, "it is a pipe"
        line = await process.stdout.readline()
        said = json.loads(line) if line else {PROBLEM: "it ended before it served; its log says why"}
        if PROBLEM in said:
            await process.wait()
            raise StartError(said[PROBLEM])
        self.address, self.metrics = said[ADDRESS], said[METRICS]

    async def keep(self) -> None:
        """Starts it again whenever it ends, until this is cancelled."""
        again_s = 0.0
        while True:
            began_s = time.monotonic()
            await self.ended()
            log.warning("server_process_ended", number=self._number, status=self._status())
            settled = time.monotonic() - began_s >= SETTLED_S
            again_s = 0.0 if settled else min(max(AGAIN_S, 2 * again_s), AGAIN_S_MAX)
            await asyncio.sleep(again_s)
            try:
                await self.start()
                log.info("server_process_started", number=self._number)
            except Exception as problem:  # noqa: BLE001 - whatever it is, it may pass
                log.error("server_process_did_not_start", number=self._number, problem=str(problem))

    def tell(self, number: signal.Signals) -> None:
        """Sends a signal; one that has ended hears nothing."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self) -> None:
        if self._process is not None:
            await self._process.wait()

    def _status(self) -> int | None:
        return None if self._process is None else self._process.returncode
