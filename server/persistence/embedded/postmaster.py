"""One run of the `postgres` program as our direct child."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil

from server.persistence.embedded.account import Account, environment
from server.persistence.embedded.errors import EmbeddedPostgresError
from server.persistence.embedded.layout import PORT, Layout, log_tail
from server.persistence.embedded.locks import FileLock

# Given on the command line, where neither the configuration file nor ALTER SYSTEM can weaken them.
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%d ",
    "cluster_name": "maitred",
    "jit": "off",
    # In the data directory, so that it goes with it: segments in the machine's memory outlive a killed server, and
    # containers have little room for them.
    "dynamic_shared_memory_type": "mmap",
}
_PID_LINE: Final = 0
_SOCKET_DIR_LINE: Final = 4
_SHARED_MEMORY_LINE: Final = 6
_STATUS_LINE: Final = 7
_IPC_RMID: Final = 0
_POLL_S: Final = 0.02
_LOG_BYTES_MAX: Final = 10_000_000


class Postmaster:
    """The server process. Made by `launch`; `returncode` is None while it lives."""

    def __init__(self, process: subprocess.Popen[bytes], layout: Layout) -> None:
        self._process = process
        self._layout = layout

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Returns when it accepts connections; recovery after a crash happens before that."""
        deadline = time.monotonic() + timeout_s
        while not self._says_ready():
            if self.returncode is not None:
                raise EmbeddedPostgresError(
                    f"PostgreSQL ended while starting (exit code {self.returncode}). The end of "
                    f"{self._layout.log_file}:\n{log_tail(self._layout.log_file)}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL was not ready after {timeout_s:.0f} s. The end of "
                    f"{self._layout.log_file}:\n{log_tail(self._layout.log_file)}"
                )
            await asyncio.sleep(_POLL_S)

    async def shut_down(self, grace_s: float) -> bool:
        """Ends sessions, writes a checkpoint, ends. After `grace_s` it is killed, and the answer is False."""
        if self.returncode is None:
            self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(self._process.wait, grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """Kills it and all its processes at once, as a crash would, and returns when it is gone."""
        if self.returncode is None:
            # Stopped first, so that it starts no process that the list would miss.
            self._process.send_signal(signal.SIGSTOP)
        for process in _working_in(self._layout.data_dir):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.kill()
        self._process.wait()
        self._free_shared_memory()

    def _free_shared_memory(self) -> None:
        """Of the segments by which a server keeps others from its directory a machine has only some thousands, and they
        outlive who was killed. The next server on the directory would free it; there may be none.
        """
        lines = pid_file_lines(self._layout.data_dir)
        if len(lines) > _SHARED_MEMORY_LINE and lines[_PID_LINE] == str(self.pid):
            _key, segment = lines[_SHARED_MEMORY_LINE].split()
            ctypes.CDLL(None).shmctl(int(segment), _IPC_RMID, None)

    def _says_ready(self) -> bool:
        lines = pid_file_lines(self._layout.data_dir)
        return (
            len(lines) > _STATUS_LINE
            and lines[_PID_LINE] == str(self.pid)
            and lines[_STATUS_LINE].strip() == "ready"
        )


def launch(
    layout: Layout,
    bin_dir: Path,
    account: Account,
    socket_dir: Path,
    running: FileLock,
    settings: Mapping[str, str],
) -> Postmaster:
    """Starts the program. It and all its processes hold `running`; it ends when this process ends."""
    if threading.get_native_id() != os.getpid():
        # The kernel sends the death signal when the thread that made the child ends.
        raise EmbeddedPostgresError("the embedded PostgreSQL has to be started from the main thread")
    effective = {**_SETTINGS, "unix_socket_directories": str(socket_dir), **settings}
    options = [part for name, value in effective.items() for part in ("-c", f"{name}={value}")]
    _turn_over(layout.log_file)
    with layout.log_file.open("ab") as log:
        # What the server complains of has rows in it.
        os.fchmod(log.fileno(), 0o600)
        process = subprocess.Popen(
            account.command(bin_dir / "postgres", "-D", layout.data_dir, *options),
            cwd="/",
            env=environment(),
            # A session of its own: Ctrl-C in the terminal is for us, and we stop it when we are done.
            start_new_session=True,
            pass_fds=(running.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return Postmaster(process, layout)


def pid_file_lines(data_dir: Path) -> list[str]:
    """The lines of postmaster.pid, none if there is no such file."""
    try:
        return (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def told_socket_dir(data_dir: Path) -> Path | None:
    """Where the server says that it listens; None when it does not, as while it starts."""
    told = "".join(pid_file_lines(data_dir)[_SOCKET_DIR_LINE : _SOCKET_DIR_LINE + 1])
    return Path(told) if told else None


def stop_orphans(data_dir: Path) -> None:
    """Asks the processes of a server that lost its parent, or its first process, to stop.

    They are known by working in `data_dir`, since a process id in a file may belong to somebody else by now.
    """
    orphans = {process.pid: process for process in _working_in(data_dir)}
    postmasters = [
        int(line) for line in pid_file_lines(data_dir)[:1] if line.isdigit() and int(line) in orphans
    ]
    for pid in postmasters or orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            # A session alone takes SIGTERM as its end; the server's own fast shutdown is SIGINT.
            orphans[pid].send_signal(signal.SIGINT if postmasters else signal.SIGTERM)


def _working_in(data_dir: Path) -> list[psutil.Process]:
    """PostgreSQL's processes all work in their data directory. A person who looks around there has another program."""
    at_work = {"name": "postgres", "cwd": str(data_dir)}
    return [process for process in psutil.process_iter([*at_work]) if process.info == at_work]


def _turn_over(log_file: Path) -> None:
    if log_file.exists() and log_file.stat().st_size > _LOG_BYTES_MAX:
        log_file.replace(log_file.with_name(f"{log_file.name}.1"))
