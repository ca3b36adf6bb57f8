"""Where a server of ours listens, and that it begins to."""

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

from server.lifecycle import ConfigurationProblem

if TYPE_CHECKING:
    import grpc.aio

# What stands before ", not" and the host.
EXPOSED = (
    "other machines must not reach it, since callers are identified by headers that anybody can send: "
    "listen on 127.0.0.1 or ::1"
)


def listen(server: "grpc.aio.Server", host: str, port: int, setting: str) -> int:
    """Takes the port, or a free one for 0, and says which. Raises ConfigurationProblem naming the setting."""
    try:
        return server.add_insecure_port(address_of(host, port))
    except RuntimeError:
        raise ConfigurationProblem(
            setting, f"cannot listen on {host}:{port}; is something else listening there?"
        ) from None


async def begin(server: "grpc.aio.Server") -> None:
    """Starts it. For one who is told to stop meanwhile it is started to the end, and stopped again: gRPC complains of
    what it has begun and nobody has ended.
    """
    starting = asyncio.ensure_future(server.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await starting
        await server.stop(None)
        raise


def address_of(host: str, port: int) -> str:
    """Host and port as one word."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. Names are not looked up."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
