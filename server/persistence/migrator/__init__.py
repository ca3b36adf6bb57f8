"""Brings a database's schema up to date from numbered, immutable SQL files."""

from server.persistence.migrator.errors import MigrationError
from server.persistence.migrator.files import Migration, find_migrations, read_migrations
from server.persistence.migrator.inspection import MigrationState, Problem, ProblemKind, State
from server.persistence.migrator.migrator import ExclusionForm, Migrator

__all__ = [
    "ExclusionForm",
    "Migration",
    "MigrationError",
    "MigrationState",
    "Migrator",
    "Problem",
    "ProblemKind",
    "State",
    "find_migrations",
    "read_migrations",
]
