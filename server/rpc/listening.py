"""Where a server of ours listens."""

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


def address_of(host: str, port: int) -> str:
    """Host and port as one word."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. Names are not looked up."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
