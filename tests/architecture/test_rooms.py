"""docs/architecture.md has a line for every room of the service, and for every folder of tests."""

import re

from tests.architecture.sources import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
# The table of rooms; in a row, what stands beside the first name is in the same folder.
ROOMS = re.findall(r"^\| (`.+?) \|", PAGE.partition("## Rooms")[2], re.MULTILINE)
NOT_ROOMS = {"__init__.py", "__pycache__"}


def test_every_room_of_the_service_has_a_line_and_every_line_a_room() -> None:
    named = {
        name.removeprefix("server/")
        for row in ROOMS
        if row.startswith("`server/")
        for name in re.findall(r"`([\w./]+)`", row)
    }
    assert named == {path.name for path in (ROOT / "server").iterdir()} - NOT_ROOMS


def test_every_folder_of_tests_is_named() -> None:
    (row,) = re.findall(r"^\| `tests` \| (.+?) \| everything \|$", PAGE, re.MULTILINE)
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - NOT_ROOMS
    # What tests are built from.
    assert set(re.findall(r"`(\w+)`", row)) == folders - {"builders", "support"}
