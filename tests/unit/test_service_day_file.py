"""Service-day files: what is read, and what is said about bad ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.cli.embedded_server import SAMPLE_FILE
from server.cli.json_positions import find_positions
from server.cli.service_day_error import PROBLEMS_LISTED_MAX, ServiceDayFileError
from server.cli.service_day_file import FILE_BYTES_MAX, read_all, read_service_days

Change = Callable[[dict[str, Any]], object]


def small_day() -> dict[str, Any]:
    return {
        "id": "friday",
        "restaurant": "Chez Test",
        "date": "2026-03-13",
        "timezone": "Europe/London",
        "tables": [
            {
                "number": "T1",
                "capacity": 2,
                "min_party": 1,
                "max_party": 2,
                "zone": "Hall",
                "mobility": "movable",
            },
            {
                "number": "T2",
                "capacity": 4,
                "min_party": 2,
                "max_party": 4,
                "zone": "Hall",
                "mobility": "fixed",
            },
            {"number": "G1", "capacity": 4, "zone": "Garden"},
        ],
        "edges": [["T1", "T2"]],
        "policy": {
            "timezone": "Europe/London",
            "buffer_minutes": {"before": 0, "after": 5},
            "max_slack": 4,
            "max_tables": 3,
            "services": [
                {
                    "name": "dinner",
                    "start": "17:00",
                    "end": "22:00",
                    "may_overrun": False,
                    "turn_minutes": [[2, 60], [4, 75]],
                }
            ],
        },
        "bookings": [{"n": 1, "time": "18:00", "party": 2}, {"n": 2, "time": "19:00", "party": 4}],
    }


def written(tmp_path: Path, day: object, *more: object) -> Path:
    path = tmp_path / "days.json"
    path.write_text(json.dumps({"traces": [day, *more]}, indent=1))
    return path


def refusal(path: Path) -> ServiceDayFileError:
    with pytest.raises(ServiceDayFileError) as caught:
        read_service_days(path)
    return caught.value


def test_a_day_is_read_with_defaults_for_what_may_be_left_out(tmp_path: Path) -> None:
    (day,) = read_service_days(written(tmp_path, small_day()))
    assert [table.number for table in day.tables] == ["T1", "T2", "G1"]
    assert (day.tables[2].mobility, day.tables[2].min_party, day.tables[2].max_party) == ("movable", 1, None)
    assert day.policy.shortest_stay_minutes == 15
    assert [(booking.n, booking.time, booking.party) for booking in day.bookings] == [
        (1, "18:00", 2),
        (2, "19:00", 4),
    ]


def test_the_sample_day_is_a_valid_file_with_more_requests_than_seats() -> None:
    (day,) = read_service_days(SAMPLE_FILE)
    assert {table.mobility for table in day.tables} == {"movable", "fixed"}
    assert len({table.zone for table in day.tables}) == 4
    assert len(day.policy.services) >= 2
    assert len(day.bookings) > 100


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (
            lambda day: day["tables"][2].update(number="t1"),
            "traces[0].tables[2].number",
            "already the number",
        ),
        (lambda day: day["tables"][1].update(capacity=0), "traces[0].tables[1].capacity", "0 is below 1"),
        (
            lambda day: day["tables"][2].update(min_party=5),
            "traces[0].tables[2].min_party",
            "above the table's",
        ),
        (
            lambda day: day["tables"][1].update(max_party=1),
            "traces[0].tables[1].max_party",
            "below min_party",
        ),
        (lambda day: day["tables"][0].update(mobility="glued"), "traces[0].tables[0].mobility", "not one of"),
        (lambda day: day["tables"][0].pop("zone"), "traces[0].tables[0].zone", "is missing"),
        (lambda day: day["tables"][0].update(seats=4), "traces[0].tables[0].seats", "not a known key"),
        (
            lambda day: day["tables"][0].update(attributes=["Big!"]),
            "traces[0].tables[0].attributes[0]",
            "characters",
        ),
        (lambda day: day.update(tables=[]), "traces[0].tables", "only 0 entries"),
        (lambda day: day["edges"].append(["T1", "T9"]), "traces[0].edges[1][1]", "'T9' is not the number"),
        (lambda day: day["edges"].append(["T2", "T1"]), "traces[0].edges[1]", "already edges[0]"),
        (lambda day: day["edges"].append(["T1", "T1"]), "traces[0].edges[1]", "cannot touch itself"),
        (lambda day: day["edges"].append(["T1", "G1"]), "traces[0].edges[1]", "stands in 'Hall' but 'G1'"),
        (lambda day: day["edges"].append(["T1"]), "traces[0].edges[1]", "only one part"),
        (lambda day: day.update(date="2026-02-30"), "traces[0].date", "is not a date"),
        (lambda day: day.update(timezone="Moon/Base"), "traces[0].timezone", "not a known time zone"),
        (lambda day: day["policy"].update(timezone="UTC"), "traces[0].policy.timezone", "differs from"),
        (lambda day: day["policy"].update(services=[]), "traces[0].policy.services", "only 0 entries"),
        (lambda day: day["policy"].update(max_tables=9), "traces[0].policy.max_tables", "9 is above 5"),
        (
            lambda day: day["policy"]["services"][0].update(end="16:00"),
            "traces[0].policy.services[0].end",
            "not after the start",
        ),
        (
            lambda day: day["policy"]["services"].append({**day["policy"]["services"][0], "name": "late"}),
            "traces[0].policy.services[1].start",
            "overlaps 'dinner'",
        ),
        (
            lambda day: day["policy"]["services"][0].update(turn_minutes=[[4, 75], [2, 60]]),
            "traces[0].policy.services[0].turn_minutes[1]",
            "does not rise",
        ),
        (lambda day: day["bookings"][0].update(party=0), "traces[0].bookings[0].party", "0 is below 1"),
        (lambda day: day["bookings"][0].update(party=10_000), "traces[0].bookings[0].party", "above 500"),
        (lambda day: day["bookings"][0].update(party="2"), "traces[0].bookings[0].party", '"2" is text'),
        (lambda day: day["bookings"][0].update(party=None), "traces[0].bookings[0].party", "null"),
        (lambda day: day["bookings"][0].update(time="7 pm"), "traces[0].bookings[0].time", "not a time"),
        (lambda day: day["bookings"][0].update(time="48:00"), "traces[0].bookings[0].time", "not a time"),
        (lambda day: day["bookings"][1].update(n=1), "traces[0].bookings[1].n", "already the number"),
        (
            lambda day: day["bookings"][1].update(zone="Roof"),
            "traces[0].bookings[1].zone",
            "no table stands in",
        ),
        (lambda day: day["bookings"].append(7), "traces[0].bookings[2]", "7 is a number"),
        (lambda day: day.update(restaurant="Chez\x1b[2J"), "traces[0].restaurant", "cannot be printed"),
        (lambda day: day["tables"][2].update(zone="\ud800"), "traces[0].tables[2].zone", "cannot be printed"),
        (lambda day: day.update(booking_count=7), "traces[0].booking_count", "not the number of bookings"),
    ],
)
def test_a_bad_value_is_named_with_its_line_field_and_remedy(
    tmp_path: Path, change: Change, field: str, words: str
) -> None:
    day = small_day()
    change(day)
    path = written(tmp_path, day)
    (problem,) = refusal(path).problems
    assert problem.field == field
    assert words in problem.problem
    assert len(problem.remedy) > 10
    assert str(problem).startswith(f"{path}:{problem.line}: {field}: ")


def test_the_line_is_that_of_the_bad_value(tmp_path: Path) -> None:
    day = small_day()
    day["bookings"][1]["party"] = -987
    path = written(tmp_path, day)
    (problem,) = refusal(path).problems
    assert "-987" in path.read_text().splitlines()[problem.line - 1]


def test_a_missing_key_points_into_the_object_that_lacks_it(tmp_path: Path) -> None:
    day = small_day()
    del day["bookings"][1]["party"]
    path = written(tmp_path, day)
    (problem,) = refusal(path).problems
    lines = path.read_text().splitlines()
    assert lines[problem.line - 1].strip() == "{"
    assert lines[problem.line].strip() == '"n": 2,'
    assert problem.remedy.startswith('Add "party"')


def test_all_problems_of_several_days_are_told_at_once_and_in_order(tmp_path: Path) -> None:
    first, second = small_day(), small_day() | {"id": "saturday"}
    first["tables"][0]["capacity"] = 0
    first["bookings"][0]["party"] = 0
    second["edges"].append(["T1", "T9"])
    error = refusal(written(tmp_path, first, second))
    assert [problem.field for problem in error.problems] == [
        "traces[0].tables[0].capacity",
        "traces[0].bookings[0].party",
        "traces[1].edges[1][1]",
    ]
    assert [problem.line for problem in error.problems] == sorted(problem.line for problem in error.problems)


def test_problems_beyond_the_limit_are_counted_but_not_listed(tmp_path: Path) -> None:
    day = small_day()
    day["bookings"] = [{"n": n, "time": "18:00", "party": 0} for n in range(1, 51)]
    error = refusal(written(tmp_path, day))
    assert (len(error.problems), error.total) == (PROBLEMS_LISTED_MAX, 50)


def test_a_misspelt_key_is_answered_with_the_right_one(tmp_path: Path) -> None:
    day = small_day()
    day["tables"][0]["capasity"] = day["tables"][0].pop("capacity")
    remedies = {
        problem.field.rpartition(".")[2]: problem.remedy
        for problem in refusal(written(tmp_path, day)).problems
    }
    assert remedies["capasity"] == 'Did you mean "capacity"?'


def test_hours_from_24_on_mean_the_next_day(tmp_path: Path) -> None:
    day = small_day()
    day["policy"]["services"][0]["end"] = "25:30"
    day["bookings"][0]["time"] = "24:15"
    (read,) = read_service_days(written(tmp_path, day))
    assert (read.policy.services[0].end, read.bookings[0].time) == ("25:30", "24:15")


def test_services_of_different_days_may_share_hours(tmp_path: Path) -> None:
    day = small_day()
    service = day["policy"]["services"][0]
    day["policy"]["services"] = [service | {"days": ["mon"]}, service | {"days": ["tue"], "name": "tuesday"}]
    assert len(read_service_days(written(tmp_path, day))[0].policy.services) == 2


def test_a_service_past_midnight_is_held_against_the_next_day(tmp_path: Path) -> None:
    day = small_day()
    service = day["policy"]["services"][0]
    day["policy"]["services"] = [
        service | {"days": ["sun"], "end": "26:00"},
        service | {"days": ["mon"], "name": "early", "start": "01:00", "end": "03:00"},
    ]
    assert "overlaps" in refusal(written(tmp_path, day)).problems[0].problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"  \n", "the file is empty"),
        (b"day,party\n1,2\n", "this is not JSON"),
        (b'{"traces": [', "this is not JSON"),
        (b"[]", "a list where an object belongs"),
        (b"null", "null where an object belongs"),
        (b"{}", '"traces" is missing'),
        (b'{"traces": {}}', "is not a list with days"),
        (b'{"traces": []}', "is not a list with days"),
        (b'{"traces": [null]}', "null does not belong here"),
        (b'{"traces": [{"id": NaN}]}', "NaN is not a JSON number"),
        (b"9" * 10_000, "thousands of digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "this is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "this is not UTF-8 text"),
    ],
)
def test_what_is_no_service_day_file_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "days.json"
    path.write_bytes(content)
    problem = refusal(path).problems[0]
    assert words in problem.problem
    assert problem.line == 1
    assert problem.remedy


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "days.json"
    path.write_text('{\n "traces": [\n  {"id": "a" "date": 1}\n ]\n}\n')
    assert refusal(path).problems[0].line == 3


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    text = json.dumps({"traces": [small_day()]}, indent=1)
    path = tmp_path / "days.json"
    path.write_text(text.replace('"id": "friday",', '"id": "friday",\n   "id": "monday",'))
    (problem,) = refusal(path).problems
    assert (problem.field, problem.problem) == ("traces[0].id", "the key is there twice")


def test_two_days_of_one_id_are_refused(tmp_path: Path) -> None:
    (problem,) = refusal(written(tmp_path, small_day(), small_day())).problems
    assert (problem.field, problem.problem) == ("traces[1].id", "'friday' is there twice")


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nothing.json").problems[0].problem
    assert "is a directory" in refusal(tmp_path).problems[0].problem
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    assert "larger than 20 MB" in refusal(huge).problems[0].problem


def test_several_files_are_complained_about_together(tmp_path: Path) -> None:
    day = small_day()
    day["bookings"][0]["party"] = 0
    bad = written(tmp_path, day)
    with pytest.raises(ServiceDayFileError) as caught:
        read_all([tmp_path / "nothing.json", bad])
    assert [problem.file for problem in caught.value.problems] == [str(tmp_path / "nothing.json"), str(bad)]


def test_positions_survive_braces_commas_and_quotes_inside_text() -> None:
    text = '{\n "a{,": "x\\"}]",\n "b": [\n  1,\n  {"c": []}\n ]\n}'
    positions = find_positions(text)
    assert positions.lines == {
        (): 1,
        ("a{,",): 2,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1): 5,
        ("b", 1, "c"): 5,
    }
    assert positions.line(("b", 1, "missing", 3)) == 5
