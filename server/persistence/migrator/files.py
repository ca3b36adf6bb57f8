"""The migration files: where they lie, and what is in them."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.persistence.migrator.errors import MigrationError

_FILE_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_NO_TRANSACTION: Final = re.compile(r"--\s*maitred:\s*no-transaction\s*")
_PERSISTENCE: Final = Path(__file__).parents[1]
_CHECKOUT: Final = _PERSISTENCE.parents[1]


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `checksum` is the SHA-256 of its text in hexadecimal, the same for any line endings."""

    version: int
    name: str
    sql: str
    checksum: str
    transactional: bool

    @property
    def label(self) -> str:
        return label_of(self.version, self.name)


def label_of(version: int, name: str) -> str:
    """How a migration is called in messages: its file name without the ending."""
    return f"{version:04}_{name}"


def find_migrations() -> Path:
    """The folder of maitred's own migrations: inside the package when installed, else the checkout's."""
    for folder in (_PERSISTENCE / "migrations", _CHECKOUT / "migrations"):
        if any(folder.glob("[0-9]*.sql")):
            return folder
    raise MigrationError(
        f"no migration files in {_PERSISTENCE / 'migrations'} nor {_CHECKOUT / 'migrations'}"
    )


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """Every migration of a folder in order; raises when the numbers are not 1, 2, 3 without gap or double."""
    migrations = tuple(_read(path) for path in sorted(folder.glob("*.sql")))
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            raise MigrationError(f"{migration.label}.sql should have the number {expected:04} in {folder}")
    return migrations


def _read(path: Path) -> Migration:
    named = _FILE_NAME.fullmatch(path.name)
    if named is None:
        raise MigrationError(f"{path} is not named like 0001_what_it_does.sql")
    sql = "\n".join(path.read_text(encoding="utf-8").splitlines()) + "\n"
    checksum = hashlib.sha256(sql.encode()).hexdigest()
    return Migration(int(named["version"]), named["name"], sql, checksum, _is_transactional(sql))


def _is_transactional(sql: str) -> bool:
    """A file opts out in the comment lines at its very top, where a reader sees it first."""
    for line in sql.splitlines():
        if not line.startswith("--"):
            return True
        if _NO_TRANSACTION.fullmatch(line):
            return False
    return True
