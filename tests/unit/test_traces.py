"""Where traces go is said by a setting, and a wrong one by its name."""

import pytest

from server.bootstrap import StartError, serving
from server.config import load_settings

NOWHERE = "postgresql://127.0.0.1:1/nothing"


async def test_who_asks_for_an_exporter_that_nobody_installed_hears_which_setting_it_was() -> None:
    with pytest.raises(StartError, match=r"'nobodys'; installed: .*; check MAITRED_TRACE_EXPORTER$"):
        async with serving(load_settings(trace_exporter="nobodys"), NOWHERE):
            raise AssertionError("it served without its exporter")
