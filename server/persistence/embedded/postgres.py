"""The embedded PostgreSQL as the rest of the house sees it: start, stop, and a URL."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import asyncpg

from server.persistence.embedded.account import Account, choose_account
from server.persistence.embedded.cluster import SUPERUSER, admit_only_us, make_data_directory
from server.persistence.embedded.errors import EmbeddedPostgresError
from server.persistence.embedded.installation import Installation
from server.persistence.embedded.layout import (
    PORT,
    bin_dir_for,
    layout_of,
    prepare_data_root,
    socket_dir_of,
)
from server.persistence.embedded.locks import FileLock, owned_elsewhere, take_ownership
from server.persistence.embedded.postmaster import Postmaster, launch, stop_orphans, told_socket_dir
from server.persistence.failures import DRIVER_ERRORS
from server.persistence.queries import load_queries

QUERIES: Final = load_queries("embedded")
# Without a word about them PGSSLMODE and its like would hold, which somebody set for another database.
_FOR_OTHERS: Final = "sslmode=disable&target_session_attrs=any"
_DATABASE: Final = "maitred"
_START_TIMEOUT_S: Final = 120.0
_STOP_GRACE_S: Final = 30.0
_ORPHANS_GRACE_S: Final = 60.0
_ORPHANS_POLL_S: Final = 0.05


class EmbeddedPostgres:
    """A PostgreSQL under `data_root`, durable, reachable over a UNIX socket by this user only.

    Data written by another major version stays in its own directory, untouched. `settings` adds to, or
    overrides, the server's configuration parameters. Not for use from several tasks at once.
    """

    def __init__(
        self,
        data_root: Path,
        installation: Installation,
        *,
        connections_max: int = 200,
        settings: Mapping[str, str] | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._installation = installation
        # As the kernel names it: that is how its processes are known to work there.
        self._layout = layout_of(Path(os.path.realpath(data_root)), installation)
        self._settings = {"max_connections": str(connections_max), **(settings or {})}
        self._report = on_progress or (lambda _message: None)
        self._owner: FileLock | None = None
        self._postmaster: Postmaster | None = None
        self._socket_dir: Path | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it does not run."""
        running = self._postmaster is not None and self._postmaster.returncode is None
        return self._postmaster.pid if self._postmaster and running else None

    @property
    def data_dir(self) -> Path:
        return self._layout.data_dir

    @property
    def log_file(self) -> Path:
        return self._layout.log_file

    def url(self, database: str = _DATABASE) -> str:
        """The address of a database of this server. It stays the same over restarts."""
        assert self._socket_dir is not None, "the server has not been started"
        host = quote(str(self._socket_dir), safe="")
        address = f"postgresql://{SUPERUSER}@/{quote(database)}?host={host}&port={PORT}"
        return f"{address}&{_FOR_OTHERS}"

    def url_elsewhere(self) -> str | None:
        """The address of the server that another process runs in this directory, None when none does."""
        layout = self._layout
        if not owned_elsewhere(layout.data_root):
            return None
        # Whoever started it may have another place for sockets than this process has.
        self._socket_dir = told_socket_dir(layout.data_dir) or socket_dir_of(
            layout.data_root, choose_account(layout.data_dir)
        )
        return self.url()

    async def start(self) -> str:
        """Starts the server, or starts it again after a crash, and answers the URL of the database.

        Makes the data directory and the database when they are missing. Raises `EmbeddedPostgresError` when
        another process uses the directory, or when PostgreSQL does not come up. Call it on the main thread.
        """
        if self.pid is not None:
            return self.url()
        account = choose_account(self._layout.data_dir)
        prepare_data_root(self._layout.data_root, account)
        if self._owner is None:
            self._owner = take_ownership(self._layout.data_root)
        try:
            await self._bring_up(account)
        except BaseException as failure:
            self.kill()
            if isinstance(failure, (OSError, *DRIVER_ERRORS)):
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not come up in {self._layout.data_root}: {type(failure).__name__}: {failure}"
                ) from failure
            raise
        return self.url()

    async def stop(self) -> None:
        """Stops the server in order and gives the directory back. Twice is harmless."""
        postmaster, self._postmaster = self._postmaster, None
        try:
            if postmaster is not None and not await postmaster.shut_down(_STOP_GRACE_S):
                self._report(f"PostgreSQL did not stop within {_STOP_GRACE_S:.0f} s and was killed")
        finally:
            self._give_back()

    def kill(self) -> None:
        """Kills every process of the server, as a crash would; `start` recovers what was committed."""
        postmaster, self._postmaster = self._postmaster, None
        if postmaster is not None:
            postmaster.kill()
        self._give_back()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _bring_up(self, account: Account) -> None:
        layout, version = self._layout, self._installation.version
        bin_dir = bin_dir_for(self._installation, account, layout.data_root)
        running = await self._last_process_gone()
        try:
            if not layout.data_dir.exists():
                self._report(f"making a PostgreSQL {version} data directory in {layout.data_dir}")
                await make_data_directory(layout, bin_dir, account)
            # Nothing runs here any more, so whatever process id it names now belongs to somebody else.
            (layout.data_dir / "postmaster.pid").unlink(missing_ok=True)
            admit_only_us(layout.data_dir, account)
            self._socket_dir = socket_dir_of(layout.data_root, account)
            self._report(f"starting PostgreSQL {version}")
            self._postmaster = launch(layout, bin_dir, account, self._socket_dir, running, self._settings)
        finally:
            running.release()
        await self._postmaster.wait_until_ready(_START_TIMEOUT_S)
        await self._make_database()

    async def _last_process_gone(self) -> FileLock:
        """Waits for the processes of an earlier run, which may still be busy dying after a crash."""
        running = FileLock(self._layout.running_lock)
        deadline = time.monotonic() + _ORPHANS_GRACE_S
        if not running.acquire():
            self._report("waiting for an earlier PostgreSQL on this directory to end")
            stop_orphans(self._layout.data_dir)
        while not running.acquire():
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL processes of an earlier run still use {self._layout.data_dir} after "
                    f"{_ORPHANS_GRACE_S:.0f} s: end them and try again; "
                    f"'pgrep -f {self._layout.data_dir}' lists them"
                )
            await asyncio.sleep(_ORPHANS_POLL_S)
        return running

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            if not await connection.fetchval(QUERIES["database_exists"], _DATABASE):
                statement = await connection.fetchval(QUERIES["create_database_statement"], _DATABASE)
                await connection.execute(statement)
        finally:
            await connection.close()

    def _give_back(self) -> None:
        owner, self._owner = self._owner, None
        if self._socket_dir is not None and self._layout.data_root not in self._socket_dir.parents:
            # Nobody would look for what is left in a shared place; `start` makes the same one again.
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        if owner is not None:
            owner.release()
