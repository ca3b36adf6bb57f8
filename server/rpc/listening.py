"""Where a server of ours listens."""

import grpc.aio

from server.lifecycle import ConfigurationProblem


def listen(server: grpc.aio.Server, host: str, port: int, setting: str) -> int:
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
