"""Compares what the code has with what a database says it has, both given as values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from server.persistence.migrator.files import Migration, label_of


@dataclass(frozen=True, slots=True)
class Applied:
    """What the database's ledger says of a migration."""

    version: int
    name: str
    checksum: str

    @property
    def label(self) -> str:
        return label_of(self.version, self.name)


class State(StrEnum):
    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MigrationState:
    """One migration as code and database see it; `name` is that of its file, without the ending."""

    name: str
    state: State


class ProblemKind(StrEnum):
    PENDING = "pending"
    CHANGED = "changed"
    GAP = "gap"
    NEWER = "newer"
    INVALID_INDEX = "invalid_index"
    ENCODING = "encoding"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the schema a person should know, with its remedy in the message."""

    kind: ProblemKind
    message: str

    @property
    def blocks_serving(self) -> bool:
        """Whether a server of this code must not run on this schema; a newer schema serves older code too."""
        return self.kind in {ProblemKind.PENDING, ProblemKind.CHANGED, ProblemKind.GAP}


def states(migrations: Sequence[Migration], applied: Mapping[int, Applied]) -> list[MigrationState]:
    """Every migration that either side knows, in order."""
    files = {migration.version: migration for migration in migrations}
    return [
        _state(files.get(version), applied.get(version)) for version in sorted(files.keys() | applied.keys())
    ]


def problems(migrations: Sequence[Migration], applied: Mapping[int, Applied]) -> list[Problem]:
    """What is not in order between the files and the ledger."""
    return [*_changed(migrations, applied), *_missing(migrations, applied), *_newer(migrations, applied)]


def changed_or_gap(migrations: Sequence[Migration], applied: Mapping[int, Applied]) -> Problem | None:
    """The first problem that makes it wrong to apply anything more."""
    fatal = {ProblemKind.CHANGED, ProblemKind.GAP}
    return next((problem for problem in problems(migrations, applied) if problem.kind in fatal), None)


def _state(migration: Migration | None, applied: Applied | None) -> MigrationState:
    if migration is None:
        assert applied is not None
        return MigrationState(applied.label, State.UNKNOWN)
    if applied is None:
        return MigrationState(migration.label, State.PENDING)
    return MigrationState(migration.label, State.APPLIED if _same(migration, applied) else State.CHANGED)


def _same(migration: Migration, applied: Applied) -> bool:
    return migration.checksum == applied.checksum and migration.name == applied.name


def _changed(migrations: Sequence[Migration], applied: Mapping[int, Applied]) -> Iterator[Problem]:
    for migration in migrations:
        recorded = applied.get(migration.version)
        if recorded is not None and not _same(migration, recorded):
            yield Problem(
                ProblemKind.CHANGED,
                f"{migration.label}.sql is not the file that was applied as {recorded.label} "
                f"(its checksum begins with {migration.checksum[:12]}, the applied one with "
                f"{recorded.checksum[:12]}): restore the file and put the change into a new migration",
            )


def _missing(migrations: Sequence[Migration], applied: Mapping[int, Applied]) -> Iterator[Problem]:
    last_applied = max(applied, default=0)
    for migration in migrations:
        if migration.version in applied:
            continue
        if migration.version < last_applied:
            yield Problem(
                ProblemKind.GAP,
                f"{migration.label} was never applied although {applied[last_applied].label} was: other "
                "code migrated this database; find out which before anything else is applied",
            )
        else:
            yield Problem(ProblemKind.PENDING, f"{migration.label} is not applied: run 'maitred migrate up'")


def _newer(migrations: Sequence[Migration], applied: Mapping[int, Applied]) -> Iterator[Problem]:
    last_known = max((migration.version for migration in migrations), default=0)
    for version in sorted(applied):
        if version > last_known:
            yield Problem(
                ProblemKind.NEWER,
                f"the database has {applied[version].label}, which this code does not know: newer code has "
                "migrated it; serving is safe, upgrade this process when the rollout is done",
            )
