"""Looks at what runs here and at what is stored, and says what is not in order. Changes nothing."""

import platform
from dataclasses import dataclass
from importlib.metadata import version

from server.bootstrap import (
    Database,
    StartError,
    explaining,
    migration_check,
    require_current_schema,
    seen_database,
)
from server.config import Settings
from server.domain.invariants import InvariantReport
from server.persistence.inspection import (
    DatabaseFacts,
    database_facts,
    database_invariants,
    refuses_overlap,
)
from server.persistence.migrator import ProblemKind
from server.rpc.health import ask_health

HEALTH_TIMEOUT_S = 2.0
CLOCK_SKEW_S_MAX = 1.0
NOT_SERVING = "It runs, and drains or has no database: its log says which."
NO_SERVER = "Start one (maitred serve, maitred dev), or end one that hangs. One elsewhere: MAITRED_HOST, MAITRED_PORT."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `remedy` says what to do when it is not in order."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


async def diagnose(settings: Settings) -> tuple[Finding, ...]:
    """What runs here and whether it is in order; an embedded database that does not run is started for the look."""
    findings = [Finding("maitred", True, f"{version('maitred')} on Python {platform.python_version()}")]
    try:
        async with seen_database(settings) as found:
            with explaining():
                findings += await _database_findings(settings, found)
    except StartError as problem:
        remedy = "Start the database, grant its role what it lacks, or correct the setting."
        findings.append(Finding("database", False, str(problem), remedy))
    address = f"{settings.host}:{settings.port}"
    health = await ask_health(address, HEALTH_TIMEOUT_S)
    findings.append(
        Finding(
            "server",
            health.serving,
            f"{address}: {health.overall}",
            NOT_SERVING if health.services else NO_SERVER,
        )
    )
    return tuple(findings)


async def verify_database(settings: Settings) -> InvariantReport:
    """Checks the data of all tenants without a server, and changes nothing. Raises `StartError`."""
    async with seen_database(settings) as found:
        with explaining():
            await require_current_schema(settings, found.url)
            return await database_invariants(found.url)


async def _database_findings(settings: Settings, found: Database) -> list[Finding]:
    facts = await database_facts(found.url)
    problems = await migration_check(settings, found.url)
    # A newer schema serves this version, too, while the newer one takes its place, or is taken back.
    fitting = all(problem.kind is ProblemKind.NEWER for problem in problems)
    schema = "; ".join(problem.message for problem in problems) or "up to date"
    durable = "durable" if not facts.not_durable else f"off: {', '.join(facts.not_durable)}"
    return [
        Finding("database", True, f"PostgreSQL {facts.version}, {found.source}"),
        Finding("schema", fitting, schema),
        *([await _overlap_finding(found.url, facts)] if facts.schema_present else []),
        Finding("durability", not facts.not_durable, durable, "Turn these PostgreSQL settings on."),
        Finding(
            "clock",
            abs(facts.clock_ahead_s) < CLOCK_SKEW_S_MAX,
            f"the database's clock is {facts.clock_ahead_s:+.3f} s from this machine's",
            "Synchronise both clocks (NTP); holds expire by the database's.",
        ),
    ]


async def _overlap_finding(url: str, facts: DatabaseFacts) -> Finding:
    refused = await refuses_overlap(url)
    return Finding(
        "no table twice",
        bool(facts.exclusion) and refused,
        f"{facts.exclusion_form} constraint; an overlap was tried and {'refused' if refused else 'NOT refused'}",
        "Stop serving and restore the constraint table_claims_no_overlap.",
    )
