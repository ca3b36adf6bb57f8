"""V10: The command line against real servers: one that runs already, and ones that it starts itself."""

import asyncio
import json
import re
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from maitred_client import timestamp
from maitred_client.messages import PartyRequest, PutBookingRequest
from server.cli.embedded_server import SAMPLE_FILE
from server.cli.failures import ExitCode
from server.cli.replay import load_restaurant
from server.cli.service_day_file import read_service_days
from tests.conftest import Served
from tests.support.postgres import scratch_directory
from tests.support.programs import Ended, run, started

pytestmark = pytest.mark.shared_server

ROME = ZoneInfo("Europe/Rome")
LINES_MAX = 200


@dataclass(frozen=True, slots=True)
class Lumen:
    """The sample restaurant on a running server, a Saturday to book for, and the program pointed at it."""

    served: Served
    restaurant_id: str
    saturday: date

    async def __call__(self, *arguments: str) -> Ended:
        return await run(*arguments, *self.served.where)

    async def book(self, party: int, hour: int) -> str:
        booking_id = str(uuid4())
        start = datetime(self.saturday.year, self.saturday.month, self.saturday.day, hour, tzinfo=ROME)
        async with self.served.client() as client:
            await client.put_booking(
                PutBookingRequest(
                    restaurant_id=self.restaurant_id,
                    booking_id=booking_id,
                    party=PartyRequest(party_size=party, start=timestamp(start)),
                    reference=f"{party} at {hour}",
                )
            )
        return booking_id


@pytest.fixture
async def lumen(server: Served) -> Lumen:
    (day,) = read_service_days(SAMPLE_FILE)
    restaurant_id = str(uuid4())
    async with server.client() as client:
        await load_restaurant(client, day, restaurant_id)
    today = datetime.now(UTC).date()
    return Lumen(server, restaurant_id, today + timedelta(days=7 + (5 - today.weekday()) % 7))


async def test_a_booking_is_planned_held_confirmed_and_drawn(lumen: Lumen, tmp_path: Path) -> None:
    booking = await lumen.book(party=4, hour=20)

    plans = (await lumen("plan", "--booking", booking, "-o", "json")).json()
    assert plans["outcome"] == "PLAN_OUTCOME_FEASIBLE"
    best = plans["plans"][0]

    held = (await lumen("hold", "--booking", booking, "--best", "-o", "json")).json()["hold"]
    assert held["table_ids"] == best["table_ids"]

    confirmed = (await lumen("confirm", held["hold_id"], "-o", "json")).json()
    assert confirmed["booking"]["status"] == "BOOKING_STATUS_CONFIRMED"

    svg, png = tmp_path / "new" / "floor.svg", tmp_path / "floor.png"
    files = ("--svg", str(svg), "--png", str(png))
    drawn = (await lumen("floor", "--date", lumen.saturday.isoformat(), "-o", "json", *files)).json()
    bars = [(row["table_id"], bar["label"], bar["kind"]) for row in drawn["rows"] for bar in row["bars"]]
    assert bars == [(best["table_ids"][0], "4 at 20", "assignment")]
    assert svg.read_text().startswith("<?xml")
    assert png.read_bytes().startswith(b"\x89PNG")


async def test_tables_are_held_by_name_for_as_long_as_asked_and_released(lumen: Lumen) -> None:
    booking = await lumen.book(party=6, hour=20)
    answer = (
        await lumen("hold", "--booking", booking, "--tables", "m4, M5", "--ttl", "300", "-o", "json")
    ).json()
    hold = answer["hold"]
    life = datetime.fromisoformat(hold["expires_at"]) - datetime.fromisoformat(hold["created_at"])
    assert len(hold["table_ids"]) == 2
    assert life == timedelta(seconds=300)

    picture = await lumen("floor", "--date", lumen.saturday.isoformat())
    assert "M4+M5" not in picture.out
    assert "6+6 at 20░" in picture.out

    for _ in range(2):
        released = (await lumen("release", hold["hold_id"], "-o", "json")).json()
        assert released["hold"]["state"] == "HOLD_STATE_RELEASED"


async def test_a_hold_is_extended_and_its_booking_moved(lumen: Lumen) -> None:
    booking = await lumen.book(party=4, hour=20)
    held = await lumen("hold", "--booking", booking, "--tables", "M4", "--ttl", "60", "-o", "json")
    hold = held.json()["hold"]
    extended = (await lumen("extend", hold["hold_id"], "--ttl", "600", "-o", "json")).json()["hold"]
    assert extended["expires_at"] > hold["expires_at"]
    shown = await lumen("extend", hold["hold_id"])
    assert f"{hold['hold_id']} is active" in shown.out
    refused = await lumen("reassign", booking, "--tables", "M5")
    assert (refused.code, "ASSIGNMENT_NOT_FOUND" in refused.err) == (ExitCode.REFUSED, True)

    assert (await lumen("confirm", hold["hold_id"])).code == ExitCode.OK
    moved = (await lumen("reassign", booking, "--tables", "m5", "--reason", "a draught", "-o", "json")).json()
    assert moved["booking"]["status"] == "BOOKING_STATUS_CONFIRMED"
    assert moved["assignment"]["table_ids"] != hold["table_ids"]
    again = await lumen("reassign", booking, "--tables", "M4")
    assert re.search(r"tables +M4\b", again.out)
    assert f"{booking} is confirmed" in again.out


async def test_a_refusal_ends_with_3_and_says_reason_remedy_and_whether_to_retry(lumen: Lumen) -> None:
    first, second = await lumen.book(party=4, hour=20), await lumen.book(party=4, hour=21)
    held = await lumen("hold", "--booking", first, "--tables", "M4")
    assert held.code == ExitCode.OK
    assert f"--address {lumen.served.address} " in held.err
    refused = await lumen("hold", "--booking", second, "--tables", "M4")
    assert refused.code == ExitCode.REFUSED
    for words in ("TABLE_CONFLICT_HELD", "remedy: ", "retry: REPLAN"):
        assert words in refused.err
    assert refused.out == ""
    assert "Traceback" not in refused.err


async def test_nothing_that_fits_is_told_with_its_reason(lumen: Lumen) -> None:
    booking = await lumen.book(party=40, hour=20)
    refused = await lumen("hold", "--booking", booking, "--best")
    assert refused.code == ExitCode.REFUSED
    assert "nothing fits this booking: CAPACITY_INSUFFICIENT" in refused.err
    shown = await lumen("plan", "--booking", booking)
    assert shown.code == ExitCode.OK
    assert "nothing here seats this party" in shown.out
    assert re.search(r"CAPACITY_INSUFFICIENT +24 +39", shown.out)


async def test_a_plan_for_people_shows_scores_terms_and_reasons(lumen: Lumen) -> None:
    start = f"{lumen.saturday.isoformat()}T20:00"
    wishes = ("--prefer", "window", "--prefer-zone", "terrace, private room")
    shown = await lumen("plan", "--party", "4", "--start", start, *wishes, "--zone", "main room")
    assert shown.code == ExitCode.OK
    assert "something fits" in shown.out
    assert "preferred attributes 20.00" in shown.out
    assert "preferred zone 20.00" in shown.out
    assert "ZONE_NOT_REQUESTED" in shown.out
    assert "20:00–21:45 CE" in shown.out
    assert re.search(r"ranked by +v2, with \d+ waiting bookings? in mind", shown.out)


async def test_json_lines_have_one_plan_per_line(lumen: Lumen) -> None:
    start = f"{lumen.saturday.isoformat()}T20:00"
    shown = await lumen("plan", "--party", "2", "--start", start, "--limit", "3", "-o", "jsonl")
    assert [len(json.loads(line)["table_ids"]) for line in shown.out.splitlines()] == [1, 1, 1]


async def test_an_explanation_names_the_rules_and_what_is_in_the_way(lumen: Lumen) -> None:
    first, second = await lumen.book(party=4, hour=20), await lumen.book(party=4, hour=21)
    assert (await lumen("hold", "--booking", first, "--tables", "M4")).code == ExitCode.OK
    shown = await lumen("explain", "--tables", "M4", "--booking", second)
    assert shown.code == ExitCode.OK
    assert "not possible" in shown.out
    assert re.search(r"no +TABLE_CONFLICT_HELD", shown.out)
    assert re.search(r"M4 +hold +Sat 20:00:00 +Sat 2", shown.out)

    start = f"{lumen.saturday.isoformat()}T21:00"
    party = ("--party", "4", "--start", start)
    told = (await lumen("explain", "--tables", "M4", *party, "-o", "json")).json()
    stored = (await lumen("explain", "--tables", "M4", "--booking", second, "-o", "json")).json()
    assert told == stored
    assert [conflict["blocker_kind"] for conflict in told["conflicts"]] == ["CLAIM_KIND_HOLD"]

    lines = (await lumen("explain", "--tables", "M4", *party, "-o", "jsonl")).out.splitlines()
    assert [json.loads(line) for line in lines] == told["checks"]
    free = await lumen("explain", "--tables", "M5", *party)
    assert "In the way" not in free.out


async def test_availability_of_an_evening_for_several_sizes(lumen: Lumen) -> None:
    day = ("--date", lumen.saturday.isoformat(), "--from", "18:30", "--to", "20:00", "--every", "30m")
    shown = await lumen("availability", "--party", "2, 40", *day)
    assert shown.code == ExitCode.OK
    lines = shown.out.splitlines()
    assert [line.split()[0] for line in lines] == ["Start", "18:30", "19:00", "19:30", "20:00"]
    assert re.search(r"20:00 +\w+ +CAPACITY_INSUFFICIENT", shown.out)

    answers = (await lumen("availability", "--party", "2,40", *day, "-o", "json")).json()
    assert [answer["party_size"] for answer in answers] == [2, 40] * 4
    assert [answer["available"] for answer in answers] == [True, False] * 4
    evening = datetime.combine(lumen.saturday, datetime.min.time(), ROME).replace(hour=18, minute=30)
    starts = [datetime.fromisoformat(answer["start"]) for answer in answers[::2]]
    assert starts == [evening + timedelta(minutes=30 * row) for row in range(4)]

    where = ("--zone", "main room", "--require", "window")
    lines = (await lumen("availability", "--party", "2", *day, *where, "-o", "jsonl")).out.splitlines()
    assert all(json.loads(line)["available"] for line in lines)
    whole_day = (await lumen("availability", "--party", "2", *day[:2], "-o", "json")).json()
    assert len(whole_day) == 96
    shown = await lumen("availability", "--party", "2", *day[:2])
    assert "\n01:30–11:45  OUTSIDE_SERVICE_HOURS" in shown.out, "one line until the house opens"
    assert whole_day[4 * 5]["reasons"] == ["ERROR_REASON_OUTSIDE_SERVICE_HOURS"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "--tables", "M4,X9", "--party", "2", "--start", "20:00"), "no such table: X9"),
        (
            ("availability", "--party", "2", "--date", "2031-05-01", "--every", "1m"),
            "1440 starts for 1 sizes",
        ),
        (("availability", "--party", "2", "--date", "2031-05-01", "--zone", "Roof"), "no such zone: Roof"),
        (("floor", "--restaurant", "Nowhere"), "no restaurant called 'Nowhere'; there are: Trattoria Lumen"),
        (("hold", "--booking", str(uuid4()), "--tables", "M4,X9"), "no such table: X9"),
        (("plan", "--party", "2", "--start", "20:00", "--zone", "Roof"), "no such zone: Roof"),
        (("plan", "--party", "2", "--start", "soon"), "'soon' is not a time"),
        (("floor", "--date", "soon"), "'soon' is not a date"),
    ],
)
async def test_names_that_do_not_exist_are_wrong_arguments(
    lumen: Lumen, arguments: tuple[str, ...], words: str
) -> None:
    ended = await lumen(*arguments)
    assert ended.code == ExitCode.USAGE
    assert words in " ".join(ended.err.replace("│", " ").split())


async def test_a_restaurant_has_to_be_named_when_there_are_several(lumen: Lumen) -> None:
    (day,) = read_service_days(SAMPLE_FILE)
    async with lumen.served.client() as client:
        await load_restaurant(client, day, str(uuid4()))
    ambiguous = await lumen("floor")
    assert ambiguous.code == ExitCode.USAGE
    assert "say which one" in ambiguous.err
    assert (await lumen("floor", "--restaurant", lumen.restaurant_id)).code == ExitCode.OK


async def test_another_tenants_restaurant_is_not_there(lumen: Lumen) -> None:
    other = ("--address", lumen.served.address, "--tenant", str(uuid4()))
    ended = await run("floor", "--restaurant", lumen.restaurant_id, *other)
    assert ended.code == ExitCode.REFUSED
    assert "RESTAURANT_NOT_FOUND" in ended.err


def day_file(folder: Path, parties: int, *names: str) -> Path:
    (day,) = json.loads(SAMPLE_FILE.read_text())["traces"]
    day["bookings"] = day["bookings"][:parties]
    path = folder / "short.json"
    path.write_text(json.dumps({"traces": [day | {"id": name} for name in names]}))
    return path


async def test_a_day_is_replayed_twice_the_same_on_a_running_server(lumen: Lumen, tmp_path: Path) -> None:
    stable = ("day", "requested", "seated", "covers", "refused", "merges", "seat_use", "replayed_date")
    file = day_file(tmp_path, 40, "part")
    runs = [(await lumen("replay", str(file), "-o", "json")).json() for _ in range(2)]
    ((first,), (second,)) = runs
    assert {key: first[key] for key in stable} == {key: second[key] for key in stable}
    assert first["requested"] == 40
    assert first["seated"] + sum(first["refused"].values()) == first["requested"]
    assert first["refused"]["OUTSIDE_SERVICE_HOURS"] == 1
    assert 0 < first["p50_ms"] <= first["p95_ms"] <= first["max_ms"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A home and a place for temporary files, open to the user that PostgreSQL runs as when this one is root."""
    with scratch_directory() as folder:
        for path in (folder / "home", folder / "tmp"):
            path.mkdir()
            path.chmod(0o755)
        yield folder


async def test_replay_starts_and_stops_everything_itself_when_no_server_is_named(scratch: Path) -> None:
    file = day_file(scratch, 6, "one", "two")
    results = (await run("replay", str(file), "-o", "json", scratch=scratch)).json()
    told = [[result[name] for name in ("day", "requested", "seated")] for result in results]
    assert told == [["one", 6, 6], ["two", 6, 6]]
    assert list((scratch / "tmp").iterdir()) == []


async def test_an_interrupted_replay_ends_with_130_and_leaves_nothing(scratch: Path) -> None:
    async with started("replay", str(SAMPLE_FILE), scratch=scratch) as process:
        await until(process.stderr, "applying")
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
    assert process.returncode == ExitCode.INTERRUPTED
    assert b"Traceback" not in err
    assert list((scratch / "tmp").iterdir()) == []


async def test_the_demo_shows_the_day_writes_the_pictures_and_leaves_nothing(scratch: Path) -> None:
    ended = await run("demo", "--out", str(scratch / "out"), scratch=scratch)
    assert ended.code == ExitCode.OK, ended.err
    for words in ("Trattoria Lumen", "Private room", "TABLE_CONFLICT_ASSIGNED", "What next"):
        assert words in ended.out
    assert sorted(path.name for path in (scratch / "out").iterdir()) == ["floor.png", "floor.svg"]
    assert list((scratch / "tmp").iterdir()) == []


async def until(stream: asyncio.StreamReader | None, words: str) -> str:
    """What the program printed up to and including the line with these words."""
    assert stream is not None
    printed = ""
    for _ in range(LINES_MAX):
        line = (await stream.readline()).decode()
        assert line, f"the program ended before it printed {words!r}; it had printed:\n{printed}"
        printed += line
        if words in line:
            return printed
    raise AssertionError(f"no {words!r} in the first {LINES_MAX} lines")


async def require_stopped(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    process.send_signal(number)
    _, err = await process.communicate()
    assert (process.returncode, err.decode().split()[-1]) == (ExitCode.OK, "stopped")


async def test_dev_says_what_to_try_a_signal_stops_it_and_it_starts_again(scratch: Path) -> None:
    where = ("--port", "0", "--data-dir", str(scratch / "data"))
    async with started("dev", *where, scratch=scratch) as process:
        printed = await until(process.stdout, "hold --")
        plan, hold = (shlex.split(line)[1:] for line in printed.splitlines() if " --address " in line)
        assert (await run(*plan)).code == ExitCode.OK
        held = (await run(*hold, "-o", "json")).json()["hold"]
        address = hold[hold.index("--address") :][:2]
        assert (await run("confirm", held["hold_id"], *address)).code == ExitCode.OK
        assert all(words in printed for words in (" curl --protocol grpc", "grpcurl -plaintext"))
        for looking in (("migrate", "check"), ("migrate", "status", "-o", "json")):
            looked = await run(*looking, *where[2:], scratch=scratch)
            assert looked.code == ExitCode.OK, looked.err
        await require_stopped(process, signal.SIGTERM)
    async with started("dev", *where, scratch=scratch) as process:
        await until(process.stdout, "hold --")
        await require_stopped(process, signal.SIGINT)
    paused = await run("outbox", "pause", *where[2:], scratch=scratch)
    assert f"nothing runs on the database in {scratch / 'data'}" in paused.err


async def test_serve_answers_on_a_configured_database_until_it_is_told_to_stop(database_url: str) -> None:
    async with started("serve", "--port", "0", "--database-url", database_url) as process:
        address = (await until(process.stderr, "serving on ")).split("serving on ")[1].split()[0]
        refused = await run("floor", "--restaurant", str(uuid4()), "--address", address)
        assert "RESTAURANT_NOT_FOUND" in refused.err
        await require_stopped(process, signal.SIGTERM)


async def test_serve_on_a_port_that_is_taken_says_so(server: Served, database_url: str) -> None:
    port = server.address.rpartition(":")[2]
    ended = await run("serve", "--port", port, "--database-url", database_url)
    assert ended.code == ExitCode.NOT_READY
    assert "cannot listen" in ended.err
    assert "Traceback" not in ended.err


async def test_a_database_that_is_not_there_is_told_without_its_password() -> None:
    ended = await run("serve", "--database-url", "postgresql://maitred:open-sesame@127.0.0.1:1/maitred")
    assert ended.code == ExitCode.NOT_READY
    assert "cannot be reached" in ended.err
    assert "open-sesame" not in ended.err
    assert "Traceback" not in ended.err


async def test_migrate_says_that_a_migrated_database_is_up_to_date(database_url: str) -> None:
    where = ("--database-url", database_url)
    rows = (await run("migrate", "status", "-o", "json", *where)).json()
    assert rows
    assert {row["state"] for row in rows} == {"applied"}
    assert (await run("migrate", "check", *where)).out == "the schema is up to date\n"
    assert (await run("migrate", "up", *where)).code == ExitCode.OK


async def test_the_doctor_finds_what_is_wrong_and_nothing_else(database_url: str) -> None:
    nobody_listens = {"port": "1"}
    ended = await run("doctor", "-o", "json", "--database-url", database_url, settings=nobody_listens)
    findings = {finding["name"]: finding for finding in json.loads(ended.out)}
    assert ended.code == ExitCode.NOT_READY
    # The databases of these tests trade durability for speed, which a doctor has to notice.
    assert {name for name, finding in findings.items() if not finding["ok"]} == {"server", "durability"}
    assert findings["server"]["remedy"]
    assert "refused" in findings["no table twice"]["detail"]
