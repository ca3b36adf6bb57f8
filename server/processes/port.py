"""The port to serve on: free, or shared by several processes and nobody else."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from server.bootstrap import StartError

# How a socket is made, and what it is bound to.
_Address: TypeAlias = tuple[tuple[int, int, int], Any]


@contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """The port, or a free one for 0, kept for the processes of this one while the block lasts.

    Whoever asks to share a port gets it even where somebody else's server listens, and a part of its callers. So it is
    asked first whether the port is free. Raises `StartError` when it is not, or cannot be had.
    """
    try:
        kept = _kept(_address(host, port))
    except (OSError, UnicodeError) as problem:
        raise _not_had(host, port, problem) from None
    with kept:
        yield kept.getsockname()[1]


def require_free_port(host: str, port: int, whose: str = "") -> None:
    """Raises `StartError` where nobody can listen, before anything is started that would have to be stopped again.

    `whose` is what the names of the two settings begin with.
    """
    try:
        _ask_for(_address(host, port))
    except (OSError, UnicodeError) as problem:
        raise _not_had(host, port, problem, whose) from None


def _not_had(host: str, port: int, problem: OSError | UnicodeError, whose: str = "") -> StartError:
    # What cannot be a name at all is not looked up.
    why = problem.strerror if isinstance(problem, OSError) else "no host is named like that"
    if isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE:
        return StartError(f"{whose}port: cannot listen on {host}:{port}; is something else listening there?")
    return StartError(f"{whose}host and {whose}port: cannot listen on {host}:{port}: {why}")


def _address(host: str, port: int) -> _Address:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return (family, kind, protocol), address


def _ask_for(address: _Address) -> None:
    # What is left of the connections of a server that is gone keeps nobody away.
    _bound(address, socket.SO_REUSEADDR).close()


def _kept(address: _Address) -> socket.socket:
    """It only keeps the port: what does not listen gets no connections."""
    _ask_for(address)
    try:
        return _bound(address, socket.SO_REUSEPORT)
    except OSError:
        # The server that is gone did not share the port, nor do the connections that are left of it.
        return _bound(address, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def _bound(address: _Address, *options: int) -> socket.socket:
    bound = socket.socket(*address[0])
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(address[1])
    except OSError:
        bound.close()
        raise
    return bound
