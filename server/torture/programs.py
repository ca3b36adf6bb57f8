"""Programs that are killed and started again at the same place."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from server.config import other_variables
from server.launcher import ending_with_us

PROGRAM = (sys.executable, "-c", "from server.entry import main; main()")


class Program:
    """A command in a process of its own, started again as often as it is killed.

    `settings` are environment variables. What it says is added to the file `log`.
    """

    def __init__(self, command: Sequence[str], settings: Mapping[str, str], log: Path) -> None:
        self._command, self._settings, self._log = command, settings, log
        self._process: Process | None = None

    async def start(self) -> None:
        """Starts it if it does not run; returns before it is ready."""
        if self.running:
            return
        paths = os.pathsep.join(path for path in sys.path if path)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *ending_with_us(*self._command),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env={**other_variables(), "PYTHONPATH": paths, **self._settings},
                # A group of its own, so that no process that it starts is left behind.
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Itself alone: what it has started learns of that as it would anywhere."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def kill_all(self) -> None:
        """With everything that it has started, at the end of a run."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self.ended()

    async def stop(self, grace_s: float) -> None:
        """Asks it to end, and kills it when it does not within this time."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self.ended()
        except TimeoutError:
            await self.kill_all()

    async def ended(self) -> None:
        if self._process is not None:
            await self._process.wait()

    def itself(self) -> list[psutil.Process]:
        """Its process, if it runs."""
        if not self.running:
            return []
        assert self._process is not None, "it runs"
        with suppress(psutil.NoSuchProcess):
            return [psutil.Process(self._process.pid)]
        return []

    def children(self) -> list[psutil.Process]:
        """The processes that it has started, oldest first."""
        with suppress(psutil.NoSuchProcess):
            return [child for process in self.itself() for child in process.children()]
        return []

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""
