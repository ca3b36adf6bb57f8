"""The lock pins every package by hash, names no address, and keeps pairs of packages in step."""

import re
from pathlib import Path

from tests.architecture.sources import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PINS = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", LOCK, re.MULTILINE))


def test_the_code_generator_matches_the_runtime() -> None:
    assert PINS["grpcio"] == PINS["grpcio-tools"]


def test_every_pin_has_a_hash() -> None:
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)
    pinned = [entry for entry in entries if entry.strip() and not entry.startswith("#")]
    assert len(pinned) >= len(PINS) > 50
    assert [entry.splitlines()[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def test_the_lock_names_no_address() -> None:
    assert re.findall(r"\S*(?:://|--index-url|--find-links|--extra-index-url| @ )\S*", LOCK) == []


def test_every_direct_dependency_with_a_fixed_version_is_locked_at_it() -> None:
    project = Path(ROOT / "pyproject.toml").read_text()
    fixed = re.findall(r'^    "([a-z0-9-]+)==([^";]+)"', project, re.MULTILINE)
    assert fixed
    assert {name: PINS.get(name) for name, _ in fixed} == dict(fixed)
