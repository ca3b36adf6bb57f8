"""Cases of the allocator that came before this service, and which of its rules are kept.

The cases are not part of the project: they are looked for in `../shared/data` beside it, or where SHARED_DIR says. Each
names its `basis`: a test, a document, the code, or a run of the old allocator.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from server.domain.floor import Floor, Table, Zone
from server.domain.policy import Combinations, ServicePeriod, ServicePolicy, TurnTime
from tests.support.programs import ROOT

PATH = Path(os.environ.get("SHARED_DIR", ROOT.parent / "shared")) / "data" / "legacy_cases.json"
present = pytest.mark.skipif(
    not PATH.exists(), reason="legacy_cases.json is absent; set SHARED_DIR to the folder above data"
)

# Kinds that the ranking of the old allocator is measured by, and that are shown where its ranking is.
OF_RANKING = ("selector", "lookahead")

# What was judged wrong, or belongs to a part that this service does not have on purpose.
DIFFERENT: Mapping[str, str] = {
    "api-008": "there is no catch-all code and no HTTP: a refusal names the rule that was broken",
    "api-011": "no e-mails are sent; a confirmation is an event, and the reason in the history is the caller's own",
    "bak-002": "a lost race is tried again on a new snapshot within the call's deadline, with settings of its own",
    "can-001": "there are no abort hooks: a call that runs out of time rolls its transaction back",
    "cnf-004": "a new policy refuses a held set only when the set no longer passes, not for its version alone",
    **dict.fromkeys(
        ("dem-001", "dem-002", "dem-006", "dem-007", "dem-009"),
        "a policy says how many parties of each size it expects; there are no multipliers by the hour",
    ),
    "err-001": "a unique violation is a conflict only for the constraints that a race can meet, by their names",
    "err-005": "no database function decides about capacity, so none can complain about it",
    "err-008": "another tenant's restaurant is not found before anything could refer to it",
    "job-003": "after a refusal nothing is tried a set number of times: the booking waits for what may make room",
    "man-006": "adjacency has no direction: tables that touch can be pushed together from either side",
    "rej-001": "reasons are counted where a plan is made; there is no table of past rejections to sum up",
    "rot-001": "covers per service are not computed: seats and turn times are there for whoever wants them",
}

# What comes with other parts of the service.
LATER: Mapping[str, str] = {"flg-001": "flags"}


@dataclass(frozen=True)
class Case:
    """One case; `given` and `expect` are as they were recorded."""

    case_id: str
    kind: str
    basis: str
    given: Any
    expect: Any

    def __str__(self) -> str:
        return f"{self.case_id} ({self.basis})"


def cases() -> list[Case]:
    """Every case but those of ranking; none when the file is absent."""
    if not PATH.exists():
        return []
    found = json.loads(PATH.read_text())["cases"]
    return [
        Case(case["id"], case["kind"], case["basis"], case["given"], case["expect"])
        for case in found
        if not case["kind"].startswith(OF_RANKING)
    ]


def uid(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, name)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def default_policy() -> ServicePolicy:
    """The policy that cases call the default one. It cut stays at closing down to any length."""
    recorded = json.loads(PATH.read_text())["meta"]["default_policy"]
    return ServicePolicy(
        tuple(_period(name, recorded[name]) for name in ("lunch", "dinner")),
        buffer_before_s=recorded["buffer"]["pre"] * 60,
        buffer_after_s=recorded["buffer"]["post"] * 60,
        combinations=Combinations(tables_max=3),
    )


def _period(name: str, recorded: Any) -> ServicePeriod:
    opens, closes = (_minutes(recorded[edge]) for edge in ("start", "end"))
    turns = tuple(TurnTime(size, minutes * 60) for size, minutes in recorded["bands"])
    return ServicePeriod(
        name, opens, closes, turns, may_overrun=recorded["allow_overrun"], shortest_stay_s=300
    )


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def floor_of(given: Any) -> Floor:
    """The case's tables and edges."""
    tables = [_table(table) for table in given["tables"]]
    zones = {table["zone"] for table in given["tables"]}
    edges = ((uid(a), uid(b)) for a, b in given.get("adjacency", ()))
    return Floor.of((Zone(uid(zone), zone) for zone in zones), tables, edges)


def _table(given: Any) -> Table:
    return Table(
        uid(given["id"]),
        uid(given["zone"]),
        given["number"],
        given["capacity"],
        given["min_party"],
        given["max_party"] or given["capacity"],
        given["mobility"] == "movable",
        (),
        given["active"] and given["status"] == "available",
    )
