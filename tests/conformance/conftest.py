"""The servers that receivers stand on."""

from collections.abc import Iterator

import pytest

from tests.support.nats_server import NatsServer, running_nats


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server
