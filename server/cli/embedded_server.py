"""A server of its own for one command: database, migrations and sockets from nothing, and nothing left behind."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

SAMPLE_FILE = Path(__file__).parent.parent / "sample" / "trattoria_lumen.json"


@asynccontextmanager
async def throwaway_server(on_progress: Callable[[str], None]) -> AsyncIterator[str]:
    """Yields the address of a server on a free loopback port; its database goes when the block is left.

    A configured database is not touched. Raises what `bootstrap` raises when something cannot start.
    """
    from server.bootstrap import database, serving
    from server.config import load_settings

    with tempfile.TemporaryDirectory(prefix="maitred-", ignore_cleanup_errors=True) as folder:
        settings = load_settings(
            data_dir=Path(folder), host="127.0.0.1", port=0, log_level="error", processes=1
        )
        async with database(settings, on_progress) as store, serving(settings, store.url) as server:
            yield server.address
