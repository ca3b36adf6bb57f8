"""V10: Two recorded service days through the command line: on a server that it starts itself, and on one that runs.

The days are not part of the project: they are looked for in `../shared/data` beside it, or where SHARED_DIR says.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Served
from tests.support.programs import ROOT, run

pytestmark = pytest.mark.shared_server

DAYS = Path(os.environ.get("SHARED_DIR", ROOT.parent / "shared")) / "data" / "service_days.json"
# What a plain exact greedy seats, of 117 requests on 16 tables and of 76 on 40.
LEAST_SEATED = {"demo-2025-11-06": 69, "pub-2025-11-15": 73}
REQUESTED = {"demo-2025-11-06": 117, "pub-2025-11-15": 76}


async def replayed(*where: str) -> dict[str, Any]:
    return {day["day"]: day for day in (await run("replay", str(DAYS), *where, "-o", "json")).json()}


@pytest.mark.skipif(
    not DAYS.exists(), reason="service_days.json is absent; set SHARED_DIR to the folder above data"
)
async def test_recorded_days_are_seated_at_least_as_well_as_by_a_plain_greedy_and_twice_the_same(
    server: Served,
) -> None:
    first = await replayed()
    again = await replayed(*server.where)
    for day, least in LEAST_SEATED.items():
        assert first[day]["requested"] == REQUESTED[day]
        assert first[day]["seated"] >= least
        assert first[day]["seated"] + sum(first[day]["refused"].values()) == REQUESTED[day]
        same = ("seated", "refused", "requested")
        assert [first[day][key] for key in same] == [again[day][key] for key in same]
