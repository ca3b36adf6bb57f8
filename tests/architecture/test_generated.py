"""What is made from the contract is complete, and a comment that the page of errors cannot use is refused."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from maitred.v1 import reasons_pb2
from ops.build.errors_page import PageError, parse_reason, read_reasons
from tests.architecture.sources import ROOT

COMMENT = """The hold's time ran out.
Status: FAILED_PRECONDITION + RetryInfo
Metadata: hold_id,
expired_at
Retry: REPLAN or HUMAN
Remedy: Hold the tables again.
"""


def test_the_import_root_is_not_a_package() -> None:
    assert not (ROOT / "gen" / "__init__.py").exists()
    assert not (ROOT / "gen" / "google").exists()
    assert (ROOT / "gen" / "maitred" / "v1" / "py.typed").exists()


def test_every_proto_file_has_its_module_and_types() -> None:
    names = [path.stem for path in (ROOT / "proto" / "maitred" / "v1").glob("*.proto")]
    wanted = {f"{name}_pb2{suffix}" for name in names for suffix in (".py", ".pyi", "_grpc.py", "_grpc.pyi")}
    present = {path.name for path in (ROOT / "gen" / "maitred" / "v1").iterdir()}
    assert names
    assert wanted - present == set()


def test_the_page_has_a_section_for_every_reason() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    names = [name.removeprefix("ERROR_REASON_") for name in reasons_pb2.ErrorReason.DESCRIPTOR.values_by_name]
    assert [name for name in names if name != "UNSPECIFIED" and f"### {name}\n" not in page] == []


def test_a_comment_is_read_in_full() -> None:
    reason = parse_reason("ERROR_REASON_HOLD_EXPIRED", 7, COMMENT, frozenset())
    assert (reason.name, reason.number, reason.what) == ("HOLD_EXPIRED", 7, "The hold's time ran out.")
    assert reason.status == ("FAILED_PRECONDITION", "RetryInfo")
    assert reason.metadata == ("hold_id", "expired_at")
    assert reason.retry == ("REPLAN", "HUMAN")
    assert reason.remedy == "Hold the tables again."


@pytest.mark.parametrize("label", ["Status", "Metadata", "Retry", "Remedy"])
def test_a_comment_without_a_label_is_refused(label: str) -> None:
    with pytest.raises(PageError, match=f"ERROR_REASON_X: .*{label}"):
        parse_reason("ERROR_REASON_X", 1, COMMENT.replace(f"{label}: ", ""), frozenset())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("FAILED_PRECONDITION", "CONFLICT"),
        ("RetryInfo", "RetryHint"),
        ("REPLAN", "SOMETIMES"),
        ("hold_id", "Hold-Id"),
        ("The hold's time ran out.\n", ""),
    ],
)
def test_a_comment_with_an_unknown_word_is_refused(right: str, wrong: str) -> None:
    with pytest.raises(PageError, match="ERROR_REASON_X"):
        parse_reason("ERROR_REASON_X", 1, COMMENT.replace(right, wrong), frozenset())


def test_all_faulty_comments_are_reported_at_once() -> None:
    files = FileDescriptorSet()
    enum = files.file.add(name="x.proto").enum_type.add(name="ErrorReason")
    for number, name in enumerate(["UNSPECIFIED", "ONE", "TWO"]):
        enum.value.add(name=f"ERROR_REASON_{name}", number=number)
    with pytest.raises(PageError) as refused:
        read_reasons(files)
    assert [name for name in ("UNSPECIFIED", "ONE", "TWO") if name in str(refused.value)] == ["ONE", "TWO"]
