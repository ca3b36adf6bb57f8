"""What servers of an earlier version have recorded is known again, and answered with the same words.

`recorded_before.json` has calls of every mutating method, as a server of schema 13 kept and answered them. A change
that fails here would make REQUEST_ID_REUSED or STORE_UNAVAILABLE of repeats that come to another version than the
first call.
"""

import json
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from maitred_client import messages
from server.domain.restaurant import Caller
from server.errors import Refusal
from server.orchestrator.get_operation import ANSWERS
from server.orchestrator.idempotency import recorded_request
from server.persistence.unit import recorded
from server.rpc import messages as readers
from server.rpc.messages.operation import RESPONSES

CALLER = Caller(UUID(int=1), "tests", frozenset())
CALLS = json.loads((Path(__file__).parent / "recorded_before.json").read_text(encoding="utf-8"))
READ = {
    name.removeprefix("read_").replace("_", ""): read
    for module in iter_modules(readers.__path__, "server.rpc.messages.")
    for name, read in vars(import_module(module.name)).items()
    if name.startswith("read_")
}


def test_every_method_is_here() -> None:
    assert {call["method"] for call in CALLS} == ANSWERS.keys()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["method"])
def test_a_repeat_gets_the_answer_of_the_version_before(call: dict[str, Any]) -> None:
    method = call["method"]
    request = ParseDict(call["request"], getattr(messages, f"{method}Request")())
    row = {
        "request_hash": bytes.fromhex(call["request_hash"]),
        "refused": call["refused"],
        **{document: json.dumps(call[document]) for document in ("field_digests", "answer")},
    }
    answer: object = recorded(row, recorded_request(CALLER, READ[method.lower()](request)), ANSWERS[method])
    if isinstance(answer, Refusal):
        assert (answer.reason, answer.message) == (call["answer"]["reason"], call["answer"]["message"])
    else:
        assert MessageToDict(RESPONSES[method](answer)) == call["response"]
