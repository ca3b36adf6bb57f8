"""The servers that receivers stand on."""

from collections.abc import Iterator

import pytest

from tests.conformance.receivers import Places
from tests.support.nats_server import NatsServer, running_nats
from tests.support.postgres import TestServer


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def places(postgres: TestServer, nats_server: NatsServer) -> Places:
    return Places(postgres, nats_server)
