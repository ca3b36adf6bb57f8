"""A server in a process of its own, as `maitred serve` is, with or without its outbox.

`python -m server.bench.serving_child with-outbox|without-outbox`, with the settings in the environment.
"""

import asyncio
import sys

from server.bootstrap import serving
from server.config import load_settings
from server.persistence.bench import WithoutOutbox


async def serve(*, with_outbox: bool) -> None:
    """Until it is killed."""
    settings = load_settings()
    assert settings.database_url is not None, "whoever starts it says which database"
    url = settings.database_url.get_secret_value()
    async with serving(settings, url, None if with_outbox else WithoutOutbox) as server:
        sys.stderr.write(f"serving on {server.address}\n")
        await server.wait()


def main() -> None:
    """On uvloop, as the program does."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(with_outbox=sys.argv[1] == "with-outbox"))


if __name__ == "__main__":
    main()
