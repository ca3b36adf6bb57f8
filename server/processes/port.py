"""The port to serve on: free, or shared by several processes and nobody else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from server.bootstrap import StartError


@contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """The port, or a free one for 0, kept for the processes of this one while the block lasts.

    Whoever asks to share a port gets it even where somebody else's server listens, and a part of its callers. So it is
    asked first whether the port is free. Raises `StartError` when it is not.
    """
    try:
        kept = _kept(host, port)
    except OSError:
        raise StartError(
            f"port: cannot listen on {host}:{port}; is something else listening there?"
        ) from None
    with kept:
        yield kept.getsockname()[1]


def require_free_port(host: str, port: int) -> None:
    """Raises `StartError` where somebody listens, before anything is started that would have to be stopped again."""
    with reserved_port(host, port):
        pass


def _kept(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as asking:
        # What is left of the connections of a server that is gone keeps nobody away.
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        asking.bind(address)
    keeping = socket.socket(family, kind, protocol)
    try:
        keeping.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # It only keeps the port: what does not listen gets no connections.
        keeping.bind(address)
    except OSError:
        keeping.close()
        raise
    return keeping
