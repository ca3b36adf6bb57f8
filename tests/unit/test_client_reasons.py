"""Every reason of the contract has its exception class, with the words of its comment."""

import pickle
import re
from pathlib import Path

import grpc
import pytest

import maitred_client
from maitred.v1.reasons_pb2 import ErrorReason
from maitred_client import ERRORS, MaitredError, TransportError, UnknownReasonError
from maitred_client.details import ErrorDetails

CONTRACT = Path(__file__).parents[2] / "proto" / "maitred" / "v1" / "reasons.proto"
PREFIX = "ERROR_REASON_"


def comments() -> dict[str, str]:
    """The comment above each value of ErrorReason, on one line, by the reason's word."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in CONTRACT.read_text().splitlines():
        text = line.strip()
        if text.startswith("//"):
            comment.append(text.removeprefix("//").strip())
            continue
        if value := re.match(rf"{PREFIX}(\w+) = [1-9]", text):
            found[value[1]] = " ".join(comment)
        comment = []
    return found


COMMENTS = comments()


def test_the_comments_of_all_reasons_are_found() -> None:
    assert {PREFIX + word for word in COMMENTS} == set(ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}


def test_each_reason_has_a_class_and_each_class_a_reason() -> None:
    assert list(ERRORS) == list(COMMENTS)


@pytest.mark.parametrize("word", COMMENTS)
def test_the_class_of_a_reason_says_what_the_contract_says(word: str) -> None:
    kind = ERRORS.get(word)
    assert kind is not None, f"add a class for {word} to maitred_client/reasons.py"
    what, _, rest = COMMENTS[word].partition(" Status: ")
    labels = re.fullmatch(r".* Retry: (\w+)(?: or \w+)* Remedy: (.*)", rest)
    assert labels is not None, f"the comment of {word} lacks Retry or Remedy"
    assert (kind.retry, kind.remedy) == (labels[1], labels[2])
    assert " ".join((kind.__doc__ or "").split()) == what


@pytest.mark.parametrize("word", COMMENTS)
def test_the_class_of_a_reason_is_public_under_its_own_name(word: str) -> None:
    name = "".join(part.capitalize() for part in word.split("_")) + "Error"
    assert ERRORS[word].__name__ == name
    assert getattr(maitred_client, name) is ERRORS[word]
    assert name in maitred_client.__all__


@pytest.mark.parametrize("kind", [*ERRORS.values(), TransportError, UnknownReasonError])
def test_an_error_survives_the_way_to_another_process(kind: type[MaitredError]) -> None:
    details = ErrorDetails(domain="maitred", reason=kind.reason, metadata={"table_ids": "t1"})
    sent = kind(grpc.StatusCode.ABORTED, "taken", details, "r1")
    received = pickle.loads(pickle.dumps(sent))
    assert type(received) is kind
    assert str(received) == str(sent)
    assert (received.code, received.details, received.request_id) == (sent.code, details, "r1")
