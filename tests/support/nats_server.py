"""A real NATS server with JetStream, on a free port."""

import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.launcher import ending_with_us

PROGRAM = Path(sys.executable).parent / "nats-server"
LISTENING = re.compile(r"Listening for client connections on 127\.0\.0\.1:(\d+)")


class NatsServer:
    """Keeps its streams in a directory, and is killed rather than stopped: what it has acknowledged has to be there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers; after it was killed, at the same port as before."""
        config = self._directory / "server.conf"
        streams = self._directory / "streams"
        config.write_text(
            f'listen: "127.0.0.1:{self.port or -1}"\njetstream {{ store_dir: "{streams}", sync_interval: always }}\n'
        )
        self._process = subprocess.Popen(
            ending_with_us(PROGRAM, "-c", config), stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        told = []
        for line in self._process.stderr:
            told.append(line)
            if found := LISTENING.search(line):
                self.port = int(found[1])
            if "Server is ready" in line:
                break
        else:
            raise AssertionError(f"the NATS server did not start:\n{''.join(told)}")
        # Somebody has to read on, or the server stops at a full pipe.
        threading.Thread(target=deque, args=(self._process.stderr, 0), daemon=True).start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_nats(directory: Path) -> Iterator[NatsServer]:
    server = NatsServer(directory)
    try:
        server.start()
        yield server
    finally:
        server.kill()
