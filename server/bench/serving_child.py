"""A server in processes of its own, as `maitred serve` is, with or without its outbox.

`python -m server.bench.serving_child with-outbox|without-outbox [FILE]`, with the settings in the environment. It
answers one call with nothing, see `server.rpc.empty_call`. With a file it notes where its time goes, and writes that
there on SIGTERM. Only a server of a single process does either without outbox or with a file.
"""

import asyncio
import sys
from pathlib import Path

from server.bench.profile import profiled
from server.bootstrap import serving
from server.config import Settings, load_settings
from server.lifecycle import keep_what_is_there
from server.persistence.bench import WithoutOutbox
from server.processes.supervisor import several_serving
from server.rpc.empty_call import answer_empty_calls

PROCESS = "server.bench.serving_process"


async def serve(*, with_outbox: bool, profile: Path | None) -> None:
    """Until it is killed, or told to stop."""
    settings = load_settings()
    assert settings.database_url is not None, "whoever starts it says which database"
    url = settings.database_url.get_secret_value()
    if settings.processes > 1:
        assert with_outbox, "several processes all have it"
        assert profile is None, "one process is looked at"
        await serve_several(settings, url)
        return
    answer_empty_calls()
    async with serving(settings, url, None if with_outbox else WithoutOutbox) as server:
        keep_what_is_there()
        with profiled(profile):
            await server.wait(lambda: _tell(server.address))


async def serve_several(settings: Settings, url: str) -> None:
    """The same as several processes."""
    async with several_serving(settings, url, PROCESS) as server:
        await server.wait(lambda: _tell(server.address))


def _tell(address: str) -> None:
    sys.stderr.write(f"serving on {address}\n")


def main() -> None:
    """On uvloop, as the program does."""
    import uvloop

    profile = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(with_outbox=sys.argv[1] == "with-outbox", profile=profile))


if __name__ == "__main__":
    main()
