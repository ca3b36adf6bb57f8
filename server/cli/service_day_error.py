"""What is wrong with a service-day file. Known to every command, while only a few read such files."""

from collections.abc import Sequence
from dataclasses import dataclass

PROBLEMS_LISTED_MAX = 20


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One thing wrong with a file. `line` counts from 1; `field` is empty when the file as a whole is meant."""

    file: str
    line: int
    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field + ': ' if self.field else ''}{self.problem}. {self.remedy}"


class ServiceDayFileError(Exception):
    """The file cannot be used. `problems` lists at most 20 of `total`."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        self.problems = tuple(problems[:PROBLEMS_LISTED_MAX])
        self.total = len(problems)
        super().__init__("\n".join(map(str, self.problems)))
