"""Reads request messages field by field and collects everything that is wrong with them.

Usage: `with reading(request) as fields:` builds the command inside the block; leaving it raises when anything was
wrong, so values that stand in for bad fields never get out.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from server.domain.limits import (
    ACTOR_LENGTH_MAX,
    ATTRIBUTE_LENGTH_MAX,
    ATTRIBUTES_MAX,
    INSTANT_MAX,
    INSTANT_MIN,
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    PARTY_SIZE_MAX,
    TOKEN_LENGTH_MAX,
)
from server.domain.window import Window
from server.errors import Reason
from server.orchestrator.ports import Page
from server.rpc import forms
from server.rpc.page_token import ListKey, read_page_token
from server.rpc.violations import Violations

ValueT = TypeVar("ValueT")

_NO_UUID = UUID(int=0)
_UUID_FORM = "a UUID such as 4f0c1b6a-8d1e-4c1b-9a53-0b8f3f1f7a10"
_INSTANT_FORM = f"an instant from {INSTANT_MIN:%Y} until {INSTANT_MAX:%Y}"


@contextmanager
def reading(message: Message) -> Iterator["Fields"]:
    """The fields of a request; raises on leaving when any of those that were read is bad."""
    fields = Fields(message)
    yield fields
    fields.violations.raise_if_any()


class Fields:
    """One message of a request. Each method reads one field, and notes a violation when it is not as it should be."""

    def __init__(self, message: Message, path: str = "", violations: Violations | None = None) -> None:
        self._message: Any = message
        self._path = path
        self.violations = violations or Violations()

    def bad(self, name: str, description: str, limit: object = "", reason: Reason | None = None) -> None:
        """Notes a violation of a field of this message."""
        self.violations.add(self._path + name, description, limit, reason)

    def is_set(self, name: str) -> bool:
        """Whether a message, an `optional` field or a member of a oneof is there."""
        return bool(self._message.HasField(name))

    # Messages within messages

    def message(self, name: str) -> "Fields":
        """A required message. When it is missing that is the one violation: nothing is said about its fields."""
        if self.is_set(name):
            return self.part(name)
        self.bad(name, "is required", "required")
        return Fields(getattr(self._message, name), violations=Violations())

    def part(self, name: str) -> "Fields":
        """A message that may be left out; its fields then read as unset."""
        return Fields(getattr(self._message, name), f"{self._path}{name}.", self.violations)

    def items(self, name: str, items_max: int, items_min: int = 0) -> list["Fields"]:
        """The messages of a list; none when there are too many to look at."""
        items = getattr(self._message, name)
        if not self._count_is_right(name, len(items), items_min, items_max):
            return []
        return [
            Fields(item, f"{self._path}{name}[{index}].", self.violations) for index, item in enumerate(items)
        ]

    # Ids

    def uuid(self, name: str) -> UUID:
        return self.optional_uuid(name, required=True) or _NO_UUID

    def optional_uuid(self, name: str, *, required: bool = False) -> UUID | None:
        text = getattr(self._message, name)
        if not text:
            if required:
                self.bad(name, f"is required: {_UUID_FORM}", "UUID")
            return None
        value = forms.uuid_of(text)
        if value is None:
            self.bad(name, f"must be {_UUID_FORM}", "UUID")
        return value

    def uuids(self, name: str, items_max: int, items_min: int = 0) -> tuple[UUID, ...]:
        """A list of different UUIDs, in the order in which they were sent."""
        texts = getattr(self._message, name)
        if not self._count_is_right(name, len(texts), items_min, items_max):
            return ()
        values: dict[UUID, int] = {}
        for index, text in enumerate(texts):
            value = forms.uuid_of(text)
            if value is None:
                self.bad(f"{name}[{index}]", f"must be {_UUID_FORM}", "UUID")
            elif value in values:
                self.bad(f"{name}[{index}]", f"{value} is already in {name}[{values[value]}]", "unique")
            else:
                values[value] = index
        return tuple(values)

    def request_id(self) -> UUID:
        """The required name of a mutating request."""
        if not self._message.request_id:
            self.bad("request_id", f"is required: {_UUID_FORM}", "UUID", reason=Reason.REQUEST_ID_MISSING)
            return _NO_UUID
        return self.uuid("request_id")

    # Texts

    def text(self, name: str, length_max: int, length_min: int = 0) -> str:
        """One line of text; its length is counted in characters."""
        text: str = getattr(self._message, name)
        if len(text) > length_max:
            self.bad(name, f"has {len(text)} characters; at most {length_max} are accepted", length_max)
        elif not forms.is_plain_text(text) or not forms.is_seen_as_it_is(text):
            self.bad(name, "must be one line without control characters")
        elif length_min and forms.seen_length(text) < length_min:
            self.bad(name, f"is required: {length_min} to {length_max} characters", length_max)
        return text

    def actor(self) -> str:
        """Who asks, as in the header: a name of blanks is none."""
        return self.text("actor", ACTOR_LENGTH_MAX).strip()

    def token(self, name: str) -> str:
        """An opaque text that the service once handed out."""
        text: str = getattr(self._message, name)
        if len(text) > TOKEN_LENGTH_MAX:
            self.bad(
                name, f"has {len(text)} characters; at most {TOKEN_LENGTH_MAX} are accepted", TOKEN_LENGTH_MAX
            )
        elif not forms.is_token(text):
            self.bad(
                name,
                "is no text that the service handed out: only printable ASCII without spaces is accepted",
            )
        return text

    def attributes(self, name: str) -> tuple[str, ...]:
        """Sorted and unique."""
        texts = list(getattr(self._message, name))
        if not texts or not self._count_is_right(name, len(texts), 0, ATTRIBUTES_MAX):
            return ()
        for index, text in enumerate(texts):
            if not forms.is_attribute(text):
                self.bad(
                    f"{name}[{index}]",
                    f"must be 1 to {ATTRIBUTE_LENGTH_MAX} lower-case letters, digits, - and _, beginning with a "
                    "letter or digit",
                    ATTRIBUTE_LENGTH_MAX,
                )
            elif text in texts[:index]:
                self.bad(f"{name}[{index}]", f"{text!r} is already in the list", "unique")
        return tuple(sorted(set(texts)))

    def time_zone(self, name: str) -> str:
        text: str = getattr(self._message, name)
        if not forms.is_time_zone(text):
            self.bad(name, 'must be a time zone of the IANA database, for example "Europe/London"', "IANA")
        return text

    def local_time(self, name: str, minutes_max: int) -> int:
        """Minutes from midnight of a local time "HH:MM"."""
        minutes = forms.minutes_of(getattr(self._message, name))
        if minutes is None or minutes > minutes_max:
            latest = f"{minutes_max // 60:02d}:{minutes_max % 60:02d}"
            self.bad(name, f'must be a local time "HH:MM" from 00:00 to {latest}', latest)
            return 0
        return minutes

    def date(self, name: str) -> date:
        """A required date "YYYY-MM-DD"."""
        value = forms.date_of(getattr(self._message, name))
        if value is None:
            span = f"{INSTANT_MIN:%Y}..{INSTANT_MAX.year - 1}"
            self.bad(name, f'must be a date such as "2026-11-27", in the years {span}', span)
            return INSTANT_MIN.date()
        return value

    # Numbers and choices

    def integer(self, name: str, low: int, high: int, *, zero_means: int | None = None) -> int:
        """A whole number within the range; `zero_means` is what an unset field stands for."""
        value: int = getattr(self._message, name)
        if value == 0 and zero_means is not None:
            return zero_means
        if not low <= value <= high:
            self.bad(name, f"is {value}; {low} to {high} is accepted", f"{low}..{high}")
        return value

    def party_size(self, name: str) -> int:
        value: int = getattr(self._message, name)
        if not 1 <= value <= PARTY_SIZE_MAX:
            self.bad(
                name,
                f"is {value}; 1 to {PARTY_SIZE_MAX} people are accepted",
                f"1..{PARTY_SIZE_MAX}",
                Reason.INVALID_PARTY_SIZE,
            )
        return value

    def optional_integer(self, name: str, low: int, high: int, default: int) -> int:
        return self.integer(name, low, high) if self.is_set(name) else default

    def optional_boolean(self, name: str, default: bool) -> bool:
        return bool(getattr(self._message, name)) if self.is_set(name) else default

    def boolean(self, name: str) -> bool:
        return bool(getattr(self._message, name))

    def optional_number(self, name: str, high: float, default: float) -> float:
        """A number from 0 to `high`; infinity and what is not a number are neither."""
        if not self.is_set(name):
            return default
        value: float = getattr(self._message, name)
        if not 0.0 <= value <= high:
            self.bad(name, f"must be a number from 0 to {high:g}", f"0..{high:g}")
        return value + 0.0

    def choice(self, name: str, values: Mapping[int, ValueT]) -> ValueT:
        """A value of an enum; numbers that the contract doesn't name are refused."""
        number: int = getattr(self._message, name)
        if number not in values:
            self._bad_choice(name, name, number, values)
        return values.get(number, next(iter(values.values())))

    def choices(self, name: str, values: Mapping[int, ValueT]) -> tuple[ValueT, ...]:
        """Different values of an enum, in the order in which they were sent."""
        numbers = list(getattr(self._message, name))
        if not self._count_is_right(name, len(numbers), 0, len(values)):
            return ()
        for index, number in enumerate(numbers):
            if number not in values:
                self._bad_choice(f"{name}[{index}]", name, number, values)
            elif number in numbers[:index]:
                self.bad(f"{name}[{index}]", "is already in the list", "unique")
        return tuple(values[number] for number in numbers if number in values)

    # Time

    def instant(self, name: str) -> datetime:
        """A required instant, to the microsecond; anything finer is cut off."""
        if not self.is_set(name):
            self.bad(name, f"is required: {_INSTANT_FORM}", "required")
            return INSTANT_MIN
        return self.optional_instant(name) or INSTANT_MIN

    def optional_instant(self, name: str) -> datetime | None:
        if not self.is_set(name):
            return None
        value = forms.instant_from(getattr(self._message, name))
        if value is None:
            self.bad(name, f"must be {_INSTANT_FORM}", f"{INSTANT_MIN:%Y}..{INSTANT_MAX:%Y}")
        return value

    def whole_second(self, name: str) -> datetime:
        """A required instant without a fraction of a second."""
        before = self.violations.count
        value = self.instant(name)
        if self.violations.count == before and getattr(self._message, name).nanos:
            self.bad(name, "must be a whole second", "1 s")
        return value

    def window(self, start: str, end: str, seconds_max: int) -> Window:
        """Two required instants, the second after the first and not too far from it."""
        before = self.violations.count
        window = Window(self.instant(start), self.instant(end))
        if self.violations.count == before:
            self._window_is_right(window, end, seconds_max)
        return window

    def optional_window(self, start: str, end: str) -> Window | None:
        """A range that is open where it is not set; None when it is open on both sides."""
        if not self.is_set(start) and not self.is_set(end):
            return None
        before = self.violations.count
        window = Window(
            self.optional_instant(start) or INSTANT_MIN, self.optional_instant(end) or INSTANT_MAX
        )
        if self.violations.count == before:
            self._window_is_right(window, end, None)
        return window

    def optional_seconds(self, name: str, low: int, high: int) -> int | None:
        """A length of time in whole seconds within the range, or None when it is not set."""
        if not self.is_set(name):
            return None
        value = forms.whole_seconds_of(getattr(self._message, name))
        if value is None:
            self.bad(name, "must be a whole number of seconds", "1 s")
        elif not low <= value <= high:
            self.bad(name, f"is {value} s; {low} s to {high} s is accepted", f"{low}..{high}")
        return value

    def seconds(self, name: str, low: int, high: int) -> int:
        """A required length of time in whole seconds within the range."""
        if not self.is_set(name):
            self.bad(name, f"is required: {low} s to {high} s", f"{low}..{high}")
        return self.optional_seconds(name, low, high) or 0

    def optional_span(self, name: str) -> float | None:
        """Any well-formed length of time in seconds; its range is not a matter of form."""
        if not self.is_set(name):
            return None
        value = forms.seconds_of(getattr(self._message, name))
        if value is None:
            self.bad(
                name, "is not a length of time: seconds and nanos must agree in sign, nanos below a second"
            )
        return value

    # Lists

    def page(self, key: ListKey) -> Page:
        size = self.integer("page_size", 1, PAGE_SIZE_MAX, zero_means=PAGE_SIZE_DEFAULT)
        token: str = self._message.page_token
        if not token:
            return Page(size)
        after = read_page_token(key, token)
        if after is None:
            self.bad("page_token", "is no next_page_token of this list")
        return Page(size, after or ())

    def mask(self, name: str, accepted: tuple[str, ...]) -> frozenset[str]:
        """Which fields of another message a change is about; at least one."""
        paths = list(getattr(self._message, name).paths)
        if not paths or len(paths) > len(accepted) or not set(paths) <= set(accepted):
            self.bad(name, f"must name one or more of {', '.join(accepted)}", ",".join(accepted))
            return frozenset()
        return frozenset(paths)

    def _count_is_right(self, name: str, count: int, low: int, high: int) -> bool:
        if low <= count <= high:
            return True
        self.bad(name, f"has {count} entries; {low} to {high} are accepted", high if count > high else low)
        return False

    def _window_is_right(self, window: Window, end: str, seconds_max: int | None) -> None:
        if window.end <= window.start:
            self.bad(end, "must be after the start", "start", Reason.INVALID_WINDOW)
        elif seconds_max is not None and window.length.total_seconds() > seconds_max:
            self.bad(
                end,
                f"is more than {seconds_max // 86_400} days after the start",
                f"{seconds_max} s",
                Reason.INVALID_WINDOW,
            )

    def _bad_choice(self, path: str, name: str, number: int, values: Mapping[int, object]) -> None:
        """Names the value, when the contract does, and what is accepted."""
        known = self._message.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number
        sent = known[number].name if number in known else number
        accepted = [known[each].name for each in values if each]
        self.bad(path, f"is {sent}; it must be one of {', '.join(accepted)}", ",".join(accepted))
