"""The floor picture: what is laid out, and what the terminal, SVG and PNG show of it."""

import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len
from rich.console import Console

from maitred_client.messages import DayOfWeek, ServicePeriod, ServicePolicy
from server.cli.floor_command import write_files
from server.cli.picture import BarKind, Claim, FloorPicture, TableSpec, draw
from server.cli.picture_plot import write_png, write_svg
from server.cli.picture_source import natural_key
from server.cli.picture_terminal import TerminalPicture
from server.cli.service_hours import open_hours, service_date

LONDON = ZoneInfo("Europe/London")
FIVE = datetime(2026, 3, 13, 17, tzinfo=LONDON)
TABLES = (
    TableSpec("a", "T1", "Hall", 2),
    TableSpec("b", "T2", "Hall", 4),
    TableSpec("c", "G1", "Garden", 6, movable=False),
)


def at(hours: float) -> datetime:
    return FIVE + timedelta(hours=hours)


def assigned(*tables: str, start: float, hours: float = 1.5, party: int = 2, label: str = "7") -> Claim:
    return Claim(BarKind.ASSIGNMENT, tables, at(start), at(start + hours), label, party)


def picture(*claims: Claim, now: datetime | None = None) -> FloorPicture:
    return draw("Chez Test", TABLES, claims, opens=FIVE, closes=at(5), now=now)


def printed(drawn: FloorPicture, *, width: int = 80, color: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="truecolor" if color else None,
        no_color=not color,
        legacy_windows=False,
    )
    console.print(TerminalPicture(drawn))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_of(text: str, table: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{table} "))


def test_rows_are_grouped_by_zone_in_the_order_of_the_tables() -> None:
    assert [(zone.name, [row.table.name for row in zone.rows]) for zone in picture().zones] == [
        ("Hall", ["T1", "T2"]),
        ("Garden", ["G1"]),
    ]


def test_the_axis_covers_the_opening_hours_in_whole_local_hours() -> None:
    drawn = draw("", TABLES, (), opens=at(0.5), closes=at(4.25))
    assert [tick.strftime("%H:%M") for tick in drawn.ticks] == [
        "17:00",
        "18:00",
        "19:00",
        "20:00",
        "21:00",
        "22:00",
    ]


def test_a_stay_that_overruns_the_service_makes_the_picture_longer() -> None:
    assert picture(assigned("a", start=4.5, hours=2)).end == at(7)


def test_what_began_before_the_doors_open_is_shown_with_up_to_six_hours_of_it() -> None:
    assert picture(assigned("a", start=-1, hours=2)).start == at(-1)
    assert picture(assigned("a", start=-9, hours=10)).start == at(-6)
    assert picture(assigned("a", start=1, hours=24)).end == at(11)


def test_a_claim_that_is_over_before_the_doors_open_is_left_out() -> None:
    drawn = picture(assigned("a", start=-3, hours=2))
    assert drawn.start == FIVE
    assert drawn.rows[0].bars == ()
    assert picture(assigned("a", start=-2, hours=2)).rows[0].bars == ()


def test_the_axis_has_as_many_hours_as_really_pass_when_clocks_change() -> None:
    before = datetime(2026, 3, 28, 22, tzinfo=LONDON)
    drawn = draw("", TABLES, (), opens=before, closes=datetime(2026, 3, 29, 3, tzinfo=LONDON))
    hours = [tick.strftime("%H") for tick in drawn.ticks]
    assert hours == ["22", "23", "00", "02", "03"]


def test_tables_pushed_together_share_one_number_and_single_tables_have_none() -> None:
    drawn = picture(
        assigned("a", "b", start=1, label="9"),
        assigned("c", start=1),
        assigned("a", "b", start=3, label="10"),
    )
    assert [[bar.merge for bar in row.bars] for row in drawn.rows] == [[0, 1], [0, 1], [None]]
    assert drawn.merges == 2


def test_a_block_of_several_tables_is_not_a_merge() -> None:
    drawn = picture(Claim(BarKind.BLOCK, ("a", "b"), at(1), at(2), "repair"))
    assert drawn.merges == 0


def test_guests_and_bookings_are_counted_once_however_many_tables_they_have() -> None:
    drawn = picture(assigned("a", "b", start=1, party=6), assigned("c", start=1, party=1))
    assert drawn.subtitle == "3 tables · 2 bookings with 7 guests"


def test_holds_and_blocks_are_counted_apart_from_bookings() -> None:
    hold = Claim(BarKind.HOLD, ("b",), at(1), at(2), "8", 3)
    block = Claim(BarKind.BLOCK, ("c",), at(1), at(2), "repair")
    drawn = picture(assigned("a", start=1), hold, block, replace(block, window_start=at(3), window_end=at(4)))
    assert drawn.subtitle == "3 tables · 1 booking with 2 guests · 1 hold · 2 blocks"


def test_a_bar_knows_the_stay_within_its_window() -> None:
    claim = assigned("a", start=1)
    stays = [
        (bar.seated_from, bar.seated_until)
        for seated in ((None, None), (at(1.25), at(2)), (None, at(9)), (at(2), at(1.5)))
        for bar in picture(replace(claim, seated_from=seated[0], seated_until=seated[1])).rows[0].bars
    ]
    assert stays == [(at(1), at(2.5)), (at(1.25), at(2)), (at(1), at(2.5)), (at(2), at(2))]


def test_claims_on_unknown_tables_are_left_out() -> None:
    drawn = picture(assigned("gone", start=4, hours=3))
    assert all(row.bars == () for row in drawn.rows)
    assert (drawn.end, drawn.subtitle) == (at(5), "3 tables · 0 bookings with 0 guests")


def test_now_is_shown_only_when_it_lies_within_the_picture() -> None:
    for shown in (at(0), at(2), at(4.9)):
        assert picture(now=shown).now == shown
    assert picture(now=at(-2)).now is None
    assert picture(now=at(5)).now is None
    assert picture(now=at(30)).now is None


def test_a_bar_stands_where_its_window_is() -> None:
    line = line_of(printed(picture(assigned("a", start=1, hours=2, party=2, label="17")), width=55), "T1")
    drawn = line[len("T1 2 ") :]
    assert drawn[:10].strip("┊ ") == ""
    assert drawn[10:30] == "▎2·17" + "▒" * 15
    assert drawn[30:].strip("┊ ") == ""


def test_every_line_fits_the_width_it_was_given() -> None:
    drawn = picture(assigned("a", "b", start=1, party=6, label="1234567"), now=at(2))
    for width in (40, 80, 120):
        lines = printed(drawn, width=width).splitlines()
        assert max(len(line) for line in lines[:8]) <= width
        # What does not fit is wrapped to the next line.
        assert lines[3] == "Hall"


def test_the_axis_names_as_many_hours_as_it_has_room_for_and_each_whole() -> None:
    wide, narrow, long = (
        printed(draw("", TABLES, (), opens=FIVE, closes=at(hours)), width=width).splitlines()[2].split()
        for hours, width in ((3, 80), (5, 36), (20, 36))
    )
    assert wide == ["17:00", "18:00", "19:00"]
    assert narrow == ["17", "18", "19", "20", "21"]
    assert 5 < len(long) < 20
    assert {len(hour) for hour in long} == {2}


@pytest.mark.parametrize("kind", [BarKind.ASSIGNMENT, BarKind.BLOCK])
@pytest.mark.parametrize("label", ["結婚式", "E\u0301lise", "🍷 2"])
def test_words_whose_characters_take_two_cells_or_none_push_nothing_out_of_its_column(
    kind: BarKind, label: str
) -> None:
    odd = line_of(printed(picture(Claim(kind, ("a",), at(1), at(4), label, 2), now=at(4.5))), "T1")
    plain = line_of(printed(picture(Claim(kind, ("a",), at(1), at(4), "party", 2), now=at(4.5))), "T1")
    assert label in odd
    assert cell_len(odd.split("┃")[0]) == cell_len(plain.split("┃")[0])


def test_merges_holds_and_blocks_can_be_told_apart_without_color() -> None:
    text = printed(
        picture(
            assigned("a", "b", start=0.5, party=6, label="9"),
            Claim(BarKind.HOLD, ("c",), at(0.5), at(2), "12", 4),
            Claim(BarKind.BLOCK, ("c",), at(3), at(4.5), "repair"),
        )
    )
    assert "▎6+9▒" in line_of(text, "T1")
    assert "▎6+9▒" in line_of(text, "T2")
    assert "▎4·12░" in line_of(text, "G1")
    assert "▎repair╳" in line_of(text, "G1")
    assert "held" in text
    assert "blocked" in text


def test_what_no_bar_shows_is_not_explained() -> None:
    assert "booking 17" in printed(picture(assigned("a", start=1)))
    for empty in (picture(), picture(Claim(BarKind.BLOCK, ("c",), at(3), at(4), "repair"))):
        assert "booking 17" not in printed(empty)


def test_tables_of_one_merge_have_one_color_and_two_merges_have_two() -> None:
    text = printed(
        picture(assigned("a", "b", start=0.5, label="1"), assigned("a", "c", start=3, label="2")), color=True
    )
    colors = [
        {part.split("m")[0] for part in line.split("\x1b[") if "48;2" in part}
        for line in text.splitlines()
        if "▎" in line and "+" in line and "party" not in line
    ]
    assert len(colors) == 3
    assert colors[0] == colors[1] | colors[2]
    assert colors[1] != colors[2]


def test_a_floor_without_tables_is_still_a_picture() -> None:
    empty = draw("Nothing", (), (), opens=FIVE, closes=at(5))
    assert "Nothing" in printed(empty)


@pytest.mark.parametrize("write", [write_svg, write_png])
def test_the_same_picture_gives_the_same_file(tmp_path: Path, write: object) -> None:
    assert callable(write)
    drawn = picture(
        assigned("a", "b", start=1, party=6), Claim(BarKind.HOLD, ("c",), at(1), at(2), "x", 3), now=at(2)
    )
    first, second = tmp_path / "first", tmp_path / "second"
    write(drawn, first)
    write(drawn, second)
    assert first.read_bytes() == second.read_bytes()


def test_the_png_is_wide_enough_to_read_and_grows_with_the_tables(tmp_path: Path) -> None:
    many = tuple(TableSpec(str(n), f"T{n}", "Hall", 4) for n in range(40))
    sizes = []
    for tables in (TABLES, many):
        path = tmp_path / f"{len(tables)}.png"
        write_png(draw("", tables, (), opens=FIVE, closes=at(5)), path)
        header = path.read_bytes()[:24]
        assert header.startswith(b"\x89PNG")
        sizes.append((int.from_bytes(header[16:20]), int.from_bytes(header[20:24])))
    assert sizes[0][0] == sizes[1][0] == 1650
    assert sizes[1][1] > sizes[0][1] + 30 * 25


def test_the_svg_is_well_formed_and_dates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "floor.svg"
    write_svg(picture(assigned("a", start=1)), path)
    assert ET.fromstring(path.read_text()).tag.endswith("svg")
    assert "dc:date" not in path.read_text()


def test_table_names_are_ordered_as_people_count() -> None:
    assert sorted(["T10", "T2", "t1", "A3"], key=natural_key) == ["A3", "t1", "T2", "T10"]


def test_names_are_drawn_as_they_are_whatever_is_in_them(tmp_path: Path) -> None:
    odd = r"$\no{such}$ <b> & --"
    tables = (TableSpec("a", odd, odd, 2),)
    drawn = draw(odd, tables, (assigned("a", start=1, hours=4, label=r"$1$"),), opens=FIVE, closes=at(5))
    path = tmp_path / "floor.svg"
    write_svg(drawn, path)
    assert ET.fromstring(path.read_text()).tag.endswith("svg")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-14T00:30", "2026-03-13"),
        ("2026-03-14T01:59:59", "2026-03-13"),
        ("2026-03-14T02:00", "2026-03-14"),
        ("2026-03-14T23:59", "2026-03-14"),
        # Closed on Sundays.
        ("2026-03-16T00:30", "2026-03-16"),
        # A clock that is put forward skips the hour after the close.
        ("2026-03-29T00:59:59", "2026-03-28"),
    ],
)
def test_a_service_day_lasts_until_it_has_closed(now: str, expected: str) -> None:
    days = [day for day in DayOfWeek.values() if day not in (0, DayOfWeek.DAY_OF_WEEK_SUNDAY)]
    policy = ServicePolicy(
        periods=[
            ServicePeriod(opens="12:00", closes="15:00", days=days),
            ServicePeriod(opens="18:00", closes="02:00", days=days),
        ]
    )
    moment = datetime.fromisoformat(now).replace(tzinfo=LONDON)
    assert service_date(policy, LONDON, moment) == date.fromisoformat(expected)


def test_a_service_that_a_change_of_clocks_leaves_no_time_for_opens_nothing_on_that_date() -> None:
    policy = ServicePolicy(periods=[ServicePeriod(opens="01:30", closes="02:00")])
    for day, hours in ((28, 0.5), (29, 23)):
        opens, closes = open_hours(policy, date(2026, 3, day), LONDON)
        assert closes.timestamp() - opens.timestamp() == hours * 3600


def test_of_all_characters_that_the_font_lacks_one_line_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    drawn = draw("窓際の席", TABLES, (), opens=FIVE, closes=at(5))
    write_files(drawn, tmp_path / "floor.svg", None)
    write_files(picture(), tmp_path / "plain.svg", None)
    odd, plain = capsys.readouterr().err.splitlines()
    assert odd.endswith("floor.svg; boxes stand for characters that its font lacks")
    assert plain.endswith("plain.svg")
    assert not recwarn
