"""Lists in pages: every row once, and no page after the last row."""

import pytest

from server.orchestrator.paging import listed
from server.orchestrator.ports import Page

ROWS = tuple("abcdef")


async def fetch(page: Page) -> tuple[str, ...]:
    rows = [row for row in ROWS if not page.after or row > page.after[0]]
    return tuple(rows[: page.size])


@pytest.mark.parametrize(
    ("size", "pages"),
    [
        (2, ["ab", "cd", "ef"]),
        (3, ["abc", "def"]),
        (4, ["abcd", "ef"]),
        (5, ["abcde", "f"]),
        (6, ["abcdef"]),
        (7, ["abcdef"]),
    ],
)
async def test_a_page_is_followed_by_another_exactly_when_there_are_more_rows(
    size: int, pages: list[str]
) -> None:
    found = []
    after: tuple[str, ...] = ()
    for _ in pages:
        page = await listed(Page(size, after), fetch, lambda row: (row,))
        found.append("".join(page.rows))
        after = page.next_after
    assert (found, after) == (pages, ())
