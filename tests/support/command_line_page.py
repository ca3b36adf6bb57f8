"""What docs/command-line.md says of the JSON that commands write."""

import re
from collections.abc import Mapping

from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "command-line.md").read_text()
ROW = re.compile(r"^\| (`[a-z].*?`) \| (.+?) \| (.*?)\|$", re.MULTILINE)


def json_of_commands() -> Mapping[str, str]:
    """What the page says of `-o json`, by command."""
    return {name.strip("` "): cell for names, cell, _ in ROW.findall(PAGE) for name in names.split(",")}
