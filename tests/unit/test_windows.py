"""Half-open windows."""

import pytest

from server.domain.window import Window
from tests.builders.questions import at

MIDDLE = Window(at(19), at(20))


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        (Window(at(18), at(19)), False),
        (Window(at(20), at(21)), False),
        (Window(at(18), at(19, 0, 1)), True),
        (Window(at(19, 59, 59), at(21)), True),
        (Window(at(19, 20), at(19, 40)), True),
        (Window(at(18), at(21)), True),
        (MIDDLE, True),
    ],
)
def test_windows_overlap_when_they_share_an_instant_and_not_when_they_touch(
    other: Window, overlaps: bool
) -> None:
    assert MIDDLE.overlaps(other) is overlaps
    assert other.overlaps(MIDDLE) is overlaps
