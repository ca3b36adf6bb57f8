"""The command line without a server: help, exit codes, and complaints in place of tracebacks."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from maitred_client.messages import Floor, Zone
from server import entry
from server.cli import app, output
from server.cli.embedded_server import SAMPLE_FILE
from server.cli.failures import MEANINGS, ExitCode
from server.cli.looking_up import zone_id_by_name


def _commands(command: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """All that can be run, by the words that run it."""
    if names and (not hasattr(command, "commands") or command.invoke_without_command):
        yield " ".join(names), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, *names, name)


COMMANDS = dict(_commands(typer.main.get_command(app.app)))
# What typer adds, and what is said before any command runs.
OF_TYPER = {"help", "version", "install_completion", "show_completion"}


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.setenv("COLUMNS", "200")
    return Run(capfd, monkeypatch)


class Run:
    """Runs the program in this process and keeps what it wrote."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capfd = capfd
        self.monkeypatch = monkeypatch
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str) -> int:
        self.monkeypatch.setattr("sys.argv", ["maitred", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.run()
        self.out, self.err = self.capfd.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0


@pytest.fixture
def nobody() -> str:
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_help_lists_every_command_and_every_exit_code(run: Run) -> None:
    assert run("--help") == ExitCode.OK
    assert len(COMMANDS) > 35
    assert [command for command in COMMANDS if command.split()[0] not in run.out] == []
    assert [meaning for meaning in MEANINGS.values() if meaning not in run.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_teaches_with_an_example_and_names_the_environment_twins(
    run: Run, command: str
) -> None:
    assert run(*command.split(), "--help") == ExitCode.OK
    assert "Example: " in run.out
    assert "maitred " in run.out.split("Example: ")[1]
    told = "".join(run.out.replace("│", " ").split())
    for option in COMMANDS[command].params:
        if option.param_type_name == "option" and option.name not in OF_TYPER:
            assert option.envvar, option.name
            assert option.envvar in told, option.name


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("plan",),
        ("plan", "--party", "4"),
        ("plan", "--party", "4", "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10"),
        ("plan", "--party", "four", "--start", "20:00"),
        ("explain", "--tables", "T1"),
        ("explain", "--tables", "T1", "--party", "4"),
        ("explain", "--party", "4", "--start", "20:00"),
        ("availability", "--party", "4"),
        ("availability", "--party", "4,many", "--date", "2031-05-01"),
        ("availability", "--party", "4", "--date", "tomorrow"),
        ("availability", "--party", "4", "--date", "2031-05-01", "--every", "quarter"),
        ("availability", "--party", "4", "--date", "2031-05-01", "--from", "25:00"),
        ("availability", "--party", "4,501", "--date", "2031-05-01"),
        ("availability", "--party", "9" * 5000, "--date", "2031-05-01"),
        ("availability", "--party", "4", "--date", "0001-01-01"),
        ("plan", "--party", "99999999999", "--start", "20:00"),
        ("plan", "--party", "4", "--start", "20:00", "--stay", "99999999999999"),
        ("plan", "--party", "4", "--start", "20:00", "--address", "127.0.0.1:99999"),
        ("health", "--address", "localhost"),
        ("load", "--target", "localhost"),
        ("auto-assign", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--cutoff", "999999999999"),
        ("dispatch", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--cutoff", "999999999999"),
        ("extend", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--ttl", "999999999999999"),
        ("hold", "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--best", "--ttl", "999999999999999"),
        ("hold", "--booking", "not-an-id", "--best"),
        ("hold", "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10"),
        ("hold", "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--best", "--tables", "T1"),
        ("confirm",),
        ("extend",),
        ("reassign", "--tables", "T1"),
        ("reassign", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10"),
        ("floor", "--tenant", "me"),
        ("replay",),
        ("replay", "x.json", "--date", "soon", "-o", "yaml"),
        ("floor", "--timeout", "0"),
        ("outbox", "list", "--status", "lost"),
        ("outbox", "list", "--limit", "0"),
        ("outbox", "show", "seven"),
        ("outbox", "redrive"),
        ("outbox", "redrive", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--all"),
        ("outbox", "direct-telemetry", "maybe"),
    ],
)
def test_wrong_arguments_end_with_2_and_no_traceback(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == ExitCode.USAGE
    assert "Traceback" not in run.err
    assert run.out == ""


@pytest.mark.parametrize("actor", ["Zoë", "a\nb"])
def test_a_name_that_no_header_takes_is_refused_by_its_option(run: Run, actor: str) -> None:
    assert run("floor", "--actor", actor) == ExitCode.USAGE
    assert "'--actor'" in run.err
    assert "ASCII" in run.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--party", "4", "--start", "20:00"),
        ("hold", "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--best"),
        ("confirm", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10"),
        ("release", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10"),
        ("extend", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10"),
        ("reassign", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--tables", "T1"),
        ("floor", "-o", "json"),
        ("outbox", "stats"),
        ("outbox", "redrive", "--all"),
    ],
)
def test_a_server_that_is_not_there_ends_with_4_and_a_hint(
    run: Run, nobody: str, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments, "--address", nobody, "--timeout", "60") == ExitCode.UNREACHABLE
    assert "no maitred server answered" in run.err
    assert "maitred dev" in run.err
    assert "Traceback" not in run.err
    assert run.out == ""


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        *(
            ((*question, "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", option, value), option)
            for question in (("plan",), ("explain", "--tables", "T1"))
            for option, value in (
                ("--start", "20:00"),
                ("--stay", "90"),
                ("--zone", "Hall"),
                ("--require", "a"),
            )
        ),
        (("plan", "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--prefer", "a"), "--prefer"),
        (
            ("plan", "--booking", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--prefer-zone", "a"),
            "--prefer-zone",
        ),
        (("auto-assign", "5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10", "--order", "size-desc"), "--order"),
    ],
)
def test_a_wish_that_a_stored_booking_would_not_be_asked_about_is_refused_and_not_ignored(
    run: Run, arguments: tuple[str, ...], option: str
) -> None:
    assert run(*arguments) == ExitCode.USAGE
    assert f"{option}: goes with" in run.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("load --metrics http://127.0.0.1:9464/metrics", "--metrics: goes with --target"),
        ("load --servers 2 --target 127.0.0.1:7420", "--servers: goes without --target"),
    ],
)
def test_what_is_said_of_another_server_is_refused_and_not_ignored(
    run: Run, arguments: str, complaint: str
) -> None:
    assert run(*arguments.split()) == ExitCode.USAGE
    assert complaint in run.err


LONG_RESULTS = pytest.mark.parametrize(
    "arguments", ["config", "config -o json", "config -o jsonl", "--help", "plan --help", "--version"]
)


@LONG_RESULTS
def test_a_reader_that_has_seen_enough_is_no_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        assert run(*arguments.split()) == ExitCode.OK
    assert run.err == ""


def test_a_check_that_failed_says_so_to_whoever_reads_only_its_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        nowhere = "postgresql://maitred@127.0.0.1:1/maitred"
        assert run("doctor", "--database-url", nowhere) == ExitCode.NOT_READY


@LONG_RESULTS
def test_a_result_that_the_disk_has_no_room_for_ends_with_5(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert run(*arguments.split()) == ExitCode.BAD_FILE
    assert run.err == "maitred: the result cannot be written: No space left on device\n"


def test_a_line_of_json_has_left_when_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as lines, os.fdopen(writer, "w") as piped:
        os.set_blocking(reader, False)
        monkeypatch.setattr("sys.stdout", piped)
        output.write_json({"done": 1}, output.Format.JSONL)
        assert lines.readline() == '{"done":1}\n'


def test_a_history_that_cannot_be_read_is_no_surprise(run: Run, tmp_path: Path) -> None:
    (tmp_path / "client-1.jsonl").mkdir()
    assert run("check", str(tmp_path)) == ExitCode.BAD_FILE
    assert run.err.startswith("maitred: The history cannot be read: ")
    assert "client-1.jsonl" in run.err


def test_nobody_to_complain_to_changes_no_exit_code(
    run: Run, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr("sys.stderr", closed)
        code = run("floor", "--address", nobody, "--timeout", "60")
    assert code == ExitCode.UNREACHABLE


def test_streams_that_were_closed_from_the_beginning_are_no_error(nobody: str) -> None:
    for arguments, code in (("--version", ExitCode.OK), (f"floor --address {nobody}", ExitCode.UNREACHABLE)):
        program = f"exec '{Path(sys.executable).with_name('maitred')}' {arguments} <&- >&- 2>&-"
        assert subprocess.run(["sh", "-c", program], check=False).returncode == code


def test_ctrl_c_ends_with_130_even_while_the_command_line_is_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "run", interrupted)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == ExitCode.INTERRUPTED


def test_the_environment_twin_of_an_option_is_read(
    run: Run, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAITRED_CLI_ADDRESS", nobody)
    assert run("floor", "--timeout", "60") == ExitCode.UNREACHABLE
    assert nobody in run.err


def test_a_bad_service_day_file_ends_with_5_and_names_the_line(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{\n "traces": [\n  3\n ]\n}')
    assert run("replay", str(bad), str(tmp_path / "gone.json")) == ExitCode.BAD_FILE
    assert f"{bad}:3: traces[0]: 3 is a number" in run.err
    assert "gone.json: cannot be read" in run.err
    assert "more" not in run.err
    assert f"2 problems in {bad}, {tmp_path / 'gone.json'}" in run.err
    assert "Traceback" not in run.err


def test_bad_settings_end_with_6_and_are_all_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRED_PORT", "99999")
    monkeypatch.setenv("MAITRED_LOG_LEVEL", "loud")
    assert run("config") == ExitCode.BAD_SETTINGS
    assert "MAITRED_PORT" in run.err
    assert "MAITRED_LOG_LEVEL" in run.err
    assert "Traceback" not in run.err


def test_config_shows_every_setting_and_hides_the_password(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRED_DATABASE_URL", "postgresql://maitred:open-sesame@db/maitred")
    monkeypatch.setenv("maitred_port", "7555")
    for form in ("table", "json", "jsonl"):
        assert run("config", "-o", form) == ExitCode.OK
        assert "open-sesame" not in run.out + run.err
        assert "MAITRED_DATABASE_URL" in run.out
    settings = [json.loads(line) for line in run.out.splitlines()]
    assert {"name", "value", "source", "default", "env", "description"} == set(settings[0])
    given = {setting["name"] for setting in settings if setting["source"] == "environment"}
    assert given == {"database_url", "port"}
    assert {setting["source"] for setting in settings} == {"environment", "default"}


def test_version_is_that_of_the_distribution(run: Run) -> None:
    assert run("--version") == ExitCode.OK
    assert run.out.startswith("maitred ")


def test_a_zone_that_is_not_there_is_refused_under_the_option_that_named_it() -> None:
    floor = Floor(zones=[Zone(zone_id="1", name="Hall")])
    assert zone_id_by_name(floor, "hall", "--prefer-zone") == "1"
    with pytest.raises(typer.BadParameter, match="no such zone: attic; there are: Hall") as refused:
        zone_id_by_name(floor, "attic", "--prefer-zone")
    assert refused.value.param_hint == "--prefer-zone"


@pytest.mark.parametrize(
    "arguments",
    [
        "demo --out {file}/pictures",
        "replay {day} --svg {file}/evening.svg",
        "replay {day} --png {file}/evening.png",
        "load --report {file}/load.html",
        "load --history {file}/history",
        "torture --report {file}/torture.html",
        "torture --history {file}/history",
        "bench --quick --history {file}/runs",
    ],
)
def test_what_cannot_be_written_at_the_end_is_told_before_anything_is_started(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    file, scratch = tmp_path / "file", tmp_path / "scratch"
    file.write_text("no folder")
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    words = (word.format(file=file, day=SAMPLE_FILE) for word in arguments.split())
    assert run(*words) == ExitCode.BAD_FILE
    assert list(scratch.iterdir()) == []
    (line, remedy) = run.err.splitlines()
    assert line.startswith(f"maitred: {file}/")
    assert line.endswith(" cannot be written: Not a directory")
    assert "Choose another path." in remedy
