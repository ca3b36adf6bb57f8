"""Makes a data directory, complete or not at all."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from server.persistence.embedded.account import Account, environment, own_user_name
from server.persistence.embedded.errors import EmbeddedPostgresError
from server.persistence.embedded.layout import Layout

SUPERUSER: Final = "maitred"
_HBA: Final = "local all all peer map=maitred\n"


async def make_data_directory(layout: Layout, bin_dir: Path, account: Account) -> None:
    """Runs initdb. What an earlier, interrupted run left behind is thrown away."""
    partial = layout.partial_data_dir
    if partial.exists():
        shutil.rmtree(partial)
    account.make_private_directory(partial)
    process = _start(account.command(*_initdb(bin_dir, partial)))
    ending = asyncio.create_task(asyncio.to_thread(process.communicate))
    try:
        output, _ = await asyncio.shield(ending)
    except asyncio.CancelledError:
        # Killed, it would leave its own processes behind, and what they share in the machine's memory.
        process.send_signal(signal.SIGINT)
        await ending
        raise
    if process.returncode != 0:
        raise EmbeddedPostgresError(
            f"initdb could not make {partial} (exit code {process.returncode}):\n"
            + output.decode(errors="replace").strip()
        )
    partial.rename(layout.data_dir)
    _sync_directory(layout.data_root)


def admit_only_us(data_dir: Path, account: Account) -> None:
    """Lets exactly this process's user and the server's own user in, by what the kernel says they are."""
    users = dict.fromkeys((own_user_name(), account.name))
    identities = "".join(f'maitred "{user}" {SUPERUSER}\n' for user in users)
    for name, content in (("pg_hba.conf", _HBA), ("pg_ident.conf", identities)):
        fresh = data_dir / f"{name}.new"
        fresh.write_text(content, encoding="utf-8")
        fresh.chmod(0o600)
        account.own(fresh)
        fresh.replace(data_dir / name)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd="/",
        env=environment(),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _initdb(bin_dir: Path, data_dir: Path) -> tuple[str | Path, ...]:
    return (
        bin_dir / "initdb",
        *("-D", data_dir),
        *("-U", SUPERUSER),
        *("--encoding=UTF8", "--locale=C", "--data-checksums"),
        *("--auth-local=peer", "--auth-host=reject", "--no-instructions"),
    )


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
