"""The page about events says what the contract says, and its example works as it is printed."""

import re
import time
from typing import Any

import pytest

from maitred.v1 import events_pb2
from server.config import setting_variables
from server.domain.events import EventType
from server.outbox.encoding import message_name
from server.outbox.sinks.signature import read_secret, signed_headers
from tests.architecture.sources import ROOT

PAGE = (ROOT / "docs" / "events.md").read_text()
SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBmb3IgdGVzdHM="
MESSAGES = sorted({message_name(event_type).removeprefix("maitred.v1.") for event_type in EventType})


def section(message: str) -> str:
    (text,) = re.findall(rf"^### {message}\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_section_has_the_members_of_its_message_in_order(message: str) -> None:
    named = [
        name
        for cell in re.findall(r"^\| (`.*?) \|", section(message), re.MULTILINE)
        for name in cell.split(", ")
    ]
    fields = events_pb2.DESCRIPTOR.message_types_by_name[message].fields
    assert named == [f"`{field.json_name}`" for field in fields]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_section_has_the_types_that_carry_its_message(message: str) -> None:
    types = {event_type for event_type in EventType if message_name(event_type) == f"maitred.v1.{message}"}
    assert set(re.findall(r"`(capacity\.[a-z_.]+)`", section(message))) == types


def test_the_contract_names_the_types_that_carry_each_message() -> None:
    proto = (ROOT / "proto" / "maitred" / "v1" / "events.proto").read_text()
    for message in MESSAGES:
        (comment,) = re.findall(rf"((?:^//.*\n)+)message {message} ", proto, re.MULTILINE)
        types = {name for name in EventType if message_name(name) == f"maitred.v1.{message}"}
        assert set(re.findall(r"capacity\.[a-z_]+\.[a-z_]+", comment)) == types


def test_the_settings_that_the_page_names_exist() -> None:
    named = set(re.findall(r"MAITRED_[A-Z_]*[A-Z]", PAGE))
    families = {"MAITRED_TELEMETRY", "MAITRED_WEBHOOK", "MAITRED_NATS"}
    assert named >= {"MAITRED_SINKS", "MAITRED_WEBHOOK_URL", "MAITRED_NATS_URL"}
    assert named - families <= setting_variables()


def test_the_verification_on_the_page_tells_genuine_from_false() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)
    is_genuine, key, other = names["is_genuine"], read_secret(SECRET), read_secret("whsec_" + "A" * 32)
    now, body = int(time.time()), b'{"id": "1"}'
    assert is_genuine(SECRET, signed_headers([key], "1", now, body), body)
    assert is_genuine(SECRET, signed_headers([other, key], "1", now, body), body)
    assert not is_genuine(SECRET, signed_headers([other], "1", now, body), body)
    assert not is_genuine(SECRET, signed_headers([key], "1", now, body), body + b" ")
    assert not is_genuine(SECRET, signed_headers([key], "1", now - 600, body), body)


def test_the_files_that_the_page_names_exist() -> None:
    for link in re.findall(r"\]\(((?:examples|\.\.)/[^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).resolve().is_file(), link
