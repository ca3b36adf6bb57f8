"""What a load consists of, read from a TOML file."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SUFFIX: Final = ".toml"
MINUTES_OF_A_DAY: Final = 13 * 60

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Weight: TypeAlias = Annotated[float, Field(ge=0, le=1_000_000)]
Question: TypeAlias = Literal["plan", "search", "look", "read_booking", "list_holds"]
AnyTime: TypeAlias = Literal["block", "unblock", Question]
PendingVerb: TypeAlias = Literal["hold", "plan_and_hold", "assign", "auto_assign", "cancel", AnyTime]
HeldVerb: TypeAlias = Literal["confirm", "release", "extend", "replace", "hold", "assign", "cancel", AnyTime]
ExpiredVerb: TypeAlias = Literal["confirm", "extend", "release", "replace", "hold", AnyTime]
AssignedVerb: TypeAlias = Literal[
    "unassign", "reassign", "hold", "assign", "auto_assign", "check_in", "no_show", "cancel", AnyTime
]
CheckedInVerb: TypeAlias = Literal["complete", "no_show", "reassign", AnyTime]
NoShowVerb: TypeAlias = Literal["undo_no_show", "come_again", AnyTime]


class ScenarioError(Exception):
    """A scenario cannot be used; `problems` has a sentence for each problem, all at once."""

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"{source}: {'; '.join(problems)}")
        self.source = source
        self.problems = problems


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Floors(_Part):
    """The restaurants; all are alike. Tables stand in rows, a zone each, and neighbours may be pushed together."""

    restaurants: int = Field(ge=1, le=10_000)
    tables: int = Field(ge=1, le=1_000)
    capacities: list[Annotated[int, Field(ge=1, le=100)]] = Field(default=[2, 2, 4, 4, 6], min_length=1)
    row_tables: int = Field(default=10, ge=1, le=100)


class Bookings(_Part):
    """The bookings that are there before the load begins, spread evenly over restaurants, seatings and days.

    `seatings` start `every_minutes` apart, the first at ten o'clock, and every party stays for `stay_minutes`:
    seatings nearer to each other than that want the same tables.
    """

    count: int = Field(ge=1, le=1_000_000)
    days: int = Field(default=1, ge=1, le=300)
    seatings: int = Field(default=1, ge=1, le=100)
    every_minutes: int = Field(default=120, ge=15, le=MINUTES_OF_A_DAY)
    stay_minutes: int = Field(default=120, ge=15, le=720)
    party_sizes: list[Annotated[int, Field(ge=1, le=100)]] = Field(default=[2], min_length=1)


class Holds(_Part):
    """How holds are made.

    Of all holds `expiring` live as briefly as the server allows and are left to expire. Of all table sets that
    callers choose `merged` are two neighbours, as are those for parties that no table is large enough for.
    """

    ttl_s: float = Field(default=300.0, ge=1, le=86_400)
    expiring: Share = 0.0
    merged: Share = 0.0


class Answers(_Part):
    """What callers do about answers to changes.

    `dropped` of the answers count as lost: the same call is sent again, and the two answers have to be equal. `cut`
    of the calls get no more than `cut_ms`, so that their answers really are lost, and are sent again until one
    arrives.
    """

    dropped: Share = 0.0
    cut: Share = 0.0
    cut_ms: float = Field(default=5.0, gt=0, le=10_000)


class Choices(_Part):
    """What callers do next with a booking, by how it stands as far as they know: a weight for each verb."""

    pending: dict[PendingVerb, Weight]
    held: dict[HeldVerb, Weight] = {}
    expired: dict[ExpiredVerb, Weight] = {"hold": 1.0}
    assigned: dict[AssignedVerb, Weight] = {}
    checked_in: dict[CheckedInVerb, Weight] = {}
    no_show: dict[NoShowVerb, Weight] = {}

    @model_validator(mode="after")
    def _always_something_to_do(self) -> "Choices":
        if not sum(self.pending.values()):
            raise ValueError("pending needs a weight above 0, or no caller ever begins")
        return self


class Driving(_Part):
    """How the load is driven unless somebody says otherwise: by callers who wait, `in_flight` of them.

    `attended` of the operations look after a booking that has tables, if any has, and the others take one that waits.
    `shared` of the operations take any booking, also one that another caller has in hand.
    """

    in_flight: int = Field(default=64, ge=1, le=100_000)
    operations: int = Field(default=10_000, ge=1)
    attended: Share = 0.5
    shared: Share = 0.0


class Scenario(_Part):
    """A load, as data. `name` is that of its file."""

    name: str
    about: str = Field(min_length=10, max_length=500)
    floors: Floors
    bookings: Bookings
    holds: Holds = Holds()
    answers: Answers = Answers()
    choices: Choices
    driving: Driving = Driving()

    @model_validator(mode="after")
    def _fits(self) -> "Scenario":
        bookings = self.bookings
        if (bookings.seatings - 1) * bookings.every_minutes >= MINUTES_OF_A_DAY:
            raise ValueError(
                f"bookings.seatings: {bookings.seatings} seatings {bookings.every_minutes} minutes apart are more "
                f"than a day of {MINUTES_OF_A_DAY // 60} hours has"
            )
        largest = max(self.floors.capacities) * (2 if self.floors.tables > 1 else 1)
        if max(bookings.party_sizes) > largest:
            raise ValueError(
                f"bookings.party_sizes: no two tables seat {max(bookings.party_sizes)}; "
                f"floors.capacities allow {largest}"
            )
        return self


def packaged_scenarios() -> dict[str, Scenario]:
    """The scenarios that come with the package, by name."""
    folder = files("loadgen") / "scenarios"
    return {
        entry.name.removesuffix(SUFFIX): parse_scenario(entry.name.removesuffix(SUFFIX), entry.read_text())
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(SUFFIX)
    }


def load_scenario(wanted: str) -> Scenario:
    """A packaged scenario by its name, or one from a file by its path, which ends in .toml.

    Raises ScenarioError when there is none or it is wrong.
    """
    if wanted.endswith(SUFFIX):
        try:
            text = Path(wanted).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(wanted, (f"cannot be read: {error}",)) from None
        return parse_scenario(Path(wanted).stem, text, wanted)
    packaged = packaged_scenarios()
    if wanted not in packaged:
        known = ", ".join(packaged)
        raise ScenarioError(wanted, (f"there is no such scenario; there are {known}, or give a .toml file",))
    return packaged[wanted]


def parse_scenario(name: str, text: str, source: str = "") -> Scenario:
    """The scenario that a text describes. Raises ScenarioError with every problem."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(source or name, (f"is not TOML: {error}",)) from None
    if "name" in content:
        raise ScenarioError(source or name, ("name: a scenario is called as its file is",))
    try:
        return Scenario(name=name, **content)
    except ValidationError as error:
        problems = tuple(dict.fromkeys(_sentence(problem) for problem in error.errors()))
        raise ScenarioError(source or name, problems) from None


def _sentence(problem: Mapping[str, Any]) -> str:
    text = str(problem["msg"]).removeprefix("Value error, ")
    path = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    return f"{path}: {text}" if path else text
