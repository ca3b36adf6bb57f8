"""What a killed PostgreSQL leaves behind on its machine."""

import asyncio
import contextlib
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Final

import psutil
import pytest

from server.persistence.embedded import EmbeddedPostgres, find_installation
from server.persistence.embedded.layout import layout_of
from server.persistence.embedded.postmaster import pid_file_lines
from tests.support.postgres import scratch_directory

SEGMENTS: Final = Path("/proc/sysvipc/shm")
MEMORY_OF_THE_MACHINE: Final = "/dev/shm/"


def segments() -> set[str]:
    """The numbers of all System V segments of the machine."""
    return {line.split()[1] for line in SEGMENTS.read_text().splitlines()[1:]}


async def until_gone(segment: str) -> None:
    """It goes with the last of the server's processes."""
    async with asyncio.timeout(30):
        while True:
            if segment not in segments():
                return
            await asyncio.sleep(0.01)


@pytest.mark.skipif(not SEGMENTS.exists(), reason="only Linux lists its shared memory there")
async def test_a_killed_server_leaves_no_shared_memory_and_starts_again() -> None:
    installation = find_installation()
    with scratch_directory() as data_root:
        postgres = EmbeddedPostgres(data_root, installation)
        try:
            await postgres.start()
            _key, segment = pid_file_lines(layout_of(data_root, installation).data_dir)[6].split()
            assert segment in segments()
            postgres.kill()
            await until_gone(segment)
            await postgres.start()
        finally:
            postgres.kill()


async def test_all_of_a_server_is_killed_and_nobody_who_looks_around_in_its_data_directory() -> None:
    with scratch_directory() as data_root:
        (data_root / "real").mkdir()
        (data_root / "link").symlink_to("real")
        postgres = EmbeddedPostgres(data_root / "link", find_installation())
        own: list[psutil.Process] = []
        try:
            await postgres.start()
            person = await asyncio.create_subprocess_exec("cat", cwd=postgres.data_dir, stdin=PIPE)
            own = psutil.Process(postgres.pid).children()
            # It would not notice by itself that the first process is gone.
            own[0].suspend()
            postgres.kill()
            await person.communicate(b"")
            assert person.returncode == 0
            assert psutil.wait_procs(own, timeout=30)[1] == []
        finally:
            postgres.kill()
            for process in own:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


@pytest.mark.skipif(not SEGMENTS.exists(), reason="only Linux lists its shared memory there")
async def test_nothing_that_a_killed_server_shares_lies_outside_its_data_directory() -> None:
    with scratch_directory(on_disk=True) as data_root:
        postgres = EmbeddedPostgres(data_root, find_installation())
        try:
            await postgres.start()
            assert postgres.pid is not None
            mapped = {mapping.path for mapping in psutil.Process(postgres.pid).memory_maps()}
        finally:
            postgres.kill()
    assert any(path.startswith(str(data_root)) for path in mapped)
    assert not [path for path in mapped if path.startswith(MEMORY_OF_THE_MACHINE)]


@pytest.mark.skipif(not SEGMENTS.exists(), reason="only Linux lists its shared memory there")
async def test_a_data_directory_that_is_given_up_half_made_leaves_no_shared_memory() -> None:
    with scratch_directory() as data_root:
        starting = asyncio.create_task(EmbeddedPostgres(data_root, find_installation()).start())
        while not (made := segments_of_initdb()):
            assert not starting.done(), "initdb shares memory"
            await asyncio.sleep(0.005)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not made & segments()


def segments_of_initdb() -> set[str]:
    """The numbers of the segments that an initdb of this process has made by now."""
    makers: set[int] = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() == "initdb":
                makers |= {process.pid for process in child.children(recursive=True)}
    lines = [line.split() for line in SEGMENTS.read_text().splitlines()[1:]]
    return {line[1] for line in lines if int(line[4]) in makers}
