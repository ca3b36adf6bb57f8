"""Settings: where they come from, what is refused, and what may be shown."""

import base64
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import ValidationError

from server.cli.app import app
from server.config import (
    COMMAND_LINE_VARIABLES,
    ENV_PREFIX,
    Settings,
    SettingsError,
    describe,
    load_settings,
    setting_variables,
)

PASSWORD = "open-sesame"
URL = f"postgresql://maitred:{PASSWORD}@db.example/maitred"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(PASSWORD.encode() * 3).decode()
SECRETS = {
    "database_url": URL,
    "redis_url": f"redis://maitred:{PASSWORD}@cache.example/1",
    "webhook_url": f"https://hooks.example/{PASSWORD}",
    "webhook_secret": WEBHOOK_SECRET,
    "nats_url": f"nats://maitred:{PASSWORD}@nats.example:4222",
}
WEBHOOK = {"webhook_url": SECRETS["webhook_url"], "webhook_secret": WEBHOOK_SECRET}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


def problems_of(**overrides: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    return caught.value.problems


def test_the_defaults_are_valid_and_those_that_are_documented() -> None:
    settings = load_settings()
    assert settings.database_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 7420)
    ttl = (settings.hold_ttl_s_min, settings.hold_ttl_s_default, settings.hold_ttl_s_max)
    assert (*ttl, settings.hold_life_s_max) == (60.0, 180.0, 900.0, 1_800.0)
    assert settings.ledger_ttl_s == 7 * 24 * 3600


HOOKED = {"sinks": "webhook", "webhook_url": "https://hooks.example", "webhook_secret": WEBHOOK_SECRET}


def test_every_setting_can_be_given_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load_settings()
    for view in describe(defaults):
        monkeypatch.setenv(view.env, SECRETS.get(view.name, view.value))
    settings = load_settings()
    assert settings.model_copy(update=dict.fromkeys(SECRETS)) == defaults
    assert {name: getattr(settings, name).get_secret_value() for name in SECRETS} == SECRETS


def test_an_override_wins_over_the_environment_and_none_overrides_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAITRED_PORT", "7500")
    monkeypatch.setenv("MAITRED_HOST", "localhost")
    settings = load_settings(port=7600, host=None)
    assert (settings.port, settings.host) == (7600, "localhost")


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRED_PORT", "99999")
    monkeypatch.setenv("MAITRED_LOG_LEVEL", "loud")
    monkeypatch.setenv("MAITRED_POOL_SIZE_MAX", "many")
    monkeypatch.setenv("MAITRED_HOTS", "localhost")
    problems = problems_of(attempts_max=0)
    named = ("PORT", "LOG_LEVEL", "POOL_SIZE_MAX", "HOTS", "ATTEMPTS_MAX")
    assert len(problems) == len(named)
    for name in named:
        assert sum(f"MAITRED_{name}" in problem for problem in problems) == 1, name


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"pool_size_min": 9, "pool_size_max": 8}, "pool_size_min must not exceed pool_size_max"),
        ({"hold_ttl_s_min": 200}, "hold_ttl_s_min, hold_ttl_s_default, hold_ttl_s_max must rise"),
        ({"hold_ttl_s_max": 100}, "hold_ttl_s_min, hold_ttl_s_default, hold_ttl_s_max must rise"),
        ({"hold_life_s_max": 899}, "hold_ttl_s_max must not exceed hold_life_s_max"),
        ({"deadline_s_default": 61}, "deadline_s_default must not exceed deadline_s_max"),
        ({"ledger_ttl_s": 31 * 86_400}, "ledger_ttl_s must not exceed holds_kept_s or history_kept_s"),
        (
            {"history_kept_s": 86_400, "event_retention_s": 3_600},
            "ledger_ttl_s must not exceed holds_kept_s or history_kept_s",
        ),
        ({"event_retention_s": 1_096 * 86_400}, "event_retention_s must not exceed history_kept_s"),
        (
            {"metrics_port": 65_535, "processes": 2},
            "metrics_port leaves no room for the ports of all processes",
        ),
        ({"cache": "redis"}, "cache redis needs redis_url"),
        (
            {"webhook_connect_timeout_s": 11},
            "webhook_connect_timeout_s must not exceed webhook_timeout_s",
        ),
        (
            {"sinks": "webhook", "webhook_secret": WEBHOOK_SECRET},
            "sinks has webhook, which needs webhook_url",
        ),
        (
            {"sinks": "log, webhook", "webhook_url": "https://hooks.example"},
            "sinks has webhook, which needs webhook_secret",
        ),
        (
            {"sinks": "log", "log_level": "warning"},
            "sinks has log, which writes at level info: log_level must not be higher",
        ),
        ({"event_timeout_s": 60}, "event_timeout_s must be less than lease_s"),
        ({"event_retry_s": 31}, "event_retry_s must not exceed event_retry_s_max"),
        (
            {**HOOKED, "webhook_timeout_s": 40},
            "webhook_timeout_s must be less than event_timeout_s",
        ),
        (
            {"sinks": "nats", "nats_url": "nats://127.0.0.1:4222", "nats_timeout_s": 10},
            "event_timeout_s must be more than four times nats_timeout_s",
        ),
        ({"telemetry_timeout_s": 20}, "event_timeout_s must be more than twice telemetry_timeout_s"),
        ({"sinks": "nats"}, "sinks has nats, which needs nats_url"),
        ({"sinks": "nats", "nats_url": " , "}, "sinks has nats, which needs nats_url"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, object], problem: str) -> None:
    assert problems_of(**given) == (problem,)


def test_sinks_that_are_not_there_need_no_time() -> None:
    settings = load_settings(sinks="log", event_timeout_s=1)
    assert settings.event_timeout_s < min(
        settings.webhook_timeout_s, settings.nats_timeout_s, settings.telemetry_timeout_s
    )


def test_what_must_not_exceed_another_setting_may_equal_it() -> None:
    load_settings(
        pool_size_max=2,
        **dict.fromkeys(("hold_ttl_s_min", "hold_ttl_s_default", "hold_ttl_s_max", "hold_life_s_max"), 300),
        deadline_s_default=60,
        **dict.fromkeys(("ledger_ttl_s", "holds_kept_s", "history_kept_s", "event_retention_s"), DAY_S),
        **dict.fromkeys(("event_retry_s", "event_retry_s_max"), 1),
        **dict.fromkeys(("webhook_timeout_s", "webhook_connect_timeout_s"), 3),
        metrics_port=65_535,
    )


def test_settings_that_contradict_each_other_are_told_together() -> None:
    (problem,) = problems_of(pool_size_min=99, deadline_s_default=599)
    assert "pool_size_max" in problem
    assert "deadline_s_max" in problem


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MAITRED_PROT", "MAITRED_PORT"),
        ("maitred_databse_url", "MAITRED_DATABASE_URL"),
        ("MAITRED_HOLD_TTL_DEFAULT_S", "MAITRED_HOLD_TTL_S_DEFAULT"),
        ("MAITRED_CLI_TENNANT", "MAITRED_CLI_TENANT"),
    ],
)
def test_a_variable_that_nothing_reads_is_a_problem_that_names_the_closest_one(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "7500")
    (problem,) = problems_of()
    assert problem.startswith(f"{variable}: ")
    assert f"did you mean {meant}?" in problem


def test_a_variable_that_resembles_none_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRED_X", "1")
    (problem,) = problems_of()
    assert problem == "MAITRED_X: there is no such setting; maitred config lists them all"


def test_the_variables_of_the_command_line_are_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    without = load_settings()
    for name in COMMAND_LINE_VARIABLES:
        monkeypatch.setenv(name, "anything")
    assert load_settings() == without


def test_the_command_line_reads_these_variables_and_those_of_settings_alone() -> None:
    read = set(_variables(typer.main.get_command(app)))
    assert read - setting_variables() == COMMAND_LINE_VARIABLES


def _variables(command: Any) -> Iterator[str]:
    for parameter in command.params:
        given = parameter.envvar or ()
        yield from [given] if isinstance(given, str) else given
    for inner in getattr(command, "commands", {}).values():
        yield from _variables(inner)


@pytest.mark.parametrize("url", ["mysql://maitred:open-sesame@db/maitred", "maitred:open-sesame"])
def test_a_database_url_of_another_kind_is_refused_without_showing_it(url: str) -> None:
    (problem,) = problems_of(database_url=url)
    assert "MAITRED_DATABASE_URL" in problem
    assert "postgresql://" in problem
    assert PASSWORD not in problem


# Where events go


def test_sinks_are_named_in_one_line() -> None:
    settings = load_settings(sinks=" log,nats , telemetry", nats_url="nats://127.0.0.1:4222")
    assert settings.sinks == ("log", "nats", "telemetry")
    assert {view.name: view.value for view in describe(settings)}["sinks"] == "log,nats,telemetry"
    assert load_settings().sinks == ("telemetry",)


@pytest.mark.parametrize("sinks", ["", ",", "log,log", "kafka", "log,"])
def test_sinks_that_are_unknown_none_or_the_same_are_refused(sinks: str) -> None:
    assert {problem.partition(":")[0] for problem in problems_of(sinks=sinks)} == {"sinks (MAITRED_SINKS)"}


@pytest.mark.parametrize("name", ["data_dir", "host", "worker_host"])
def test_an_empty_text_names_no_folder_and_no_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MAITRED_{name.upper()}", " ")
    (problem,) = problems_of()
    assert problem == f"{name} (MAITRED_{name.upper()}): must not be empty, not ' '"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/events", "http://localhost/", "http://[::1]:80", "https://hooks.example:8443/x"],
)
def test_events_are_posted_encrypted_or_to_this_machine(url: str) -> None:
    assert load_settings(sinks="webhook", **(WEBHOOK | {"webhook_url": url})).webhook_url is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example",
        "http://10.0.0.7:80/",
        "http://127.0.0.1.example",
        "http://127.0.0.1@hooks.example/",
    ],
)
def test_events_leave_this_machine_unencrypted_only_when_that_is_allowed(url: str) -> None:
    given = WEBHOOK | {"webhook_url": url}
    (problem,) = problems_of(sinks="webhook", **given)
    assert problem == "webhook_url is not encrypted: use https, or set webhook_allow_plain_http"
    load_settings(sinks="webhook", webhook_allow_plain_http=True, **given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook_url", f"ftp://{PASSWORD}.example"),
        ("webhook_url", f"https:///{PASSWORD}"),
        ("webhook_url", f"https://hooks.example:99999/{PASSWORD}"),
        ("webhook_url", f"https://hooks.example:0/{PASSWORD}"),
        ("webhook_url", f"https://[hooks.example/{PASSWORD}"),
        ("webhook_url", f"https://hooks.example/{PASSWORD} and more"),
        ("nats_url", f"nats://nats.example:{PASSWORD}"),
        ("redis_url", f"https://{PASSWORD}@cache.example"),
        ("redis_url", f"redis://:{PASSWORD}/1@cache.example/0"),
        ("redis_url", f"redis://cache.example/{PASSWORD}"),
        ("webhook_secret", PASSWORD),
        ("webhook_secret", f"{WEBHOOK_SECRET},whsec_{PASSWORD}"),
        ("nats_url", f"http://{PASSWORD}@nats.example"),
        ("nats_url", f"nats://one.example,{PASSWORD}@two.example"),
    ],
)
def test_addresses_and_secrets_of_another_kind_are_refused_without_showing_them(
    name: str, value: str
) -> None:
    (problem,) = problems_of(**{name: value})
    assert f"MAITRED_{name.upper()}" in problem
    assert PASSWORD not in problem


def test_all_that_is_missing_for_the_sinks_is_told_at_once() -> None:
    (problem,) = problems_of(sinks="webhook,nats", webhook_connect_timeout_s=60)
    assert [
        word for word in ("webhook_url", "webhook_secret", "nats_url", "timeout_s") if word not in problem
    ] == []


def test_secrets_are_never_shown() -> None:
    settings = load_settings(**SECRETS)
    views = describe(settings)
    shown = [repr(settings), str(settings), f"{settings}", settings.model_dump_json(), repr(views)]
    hidden = (PASSWORD, WEBHOOK_SECRET, ".example")
    assert not [text for text in shown if any(word in text for word in hidden)]


def test_a_description_names_value_default_and_variable_of_every_setting() -> None:
    views = {view.name: view for view in describe(load_settings(port=7500))}
    assert views.keys() == Settings.model_fields.keys()
    assert (views["port"].value, views["port"].default, views["port"].env) == ("7500", "7420", "MAITRED_PORT")
    assert (views["port"].source, views["host"].source) == ("environment", "default")
    assert all(view.description for view in views.values())


def test_a_data_directory_that_is_given_stands_for_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAITRED_DATABASE_URL", "postgresql://db.example/maitred")
    assert load_settings(data_dir=tmp_path).database_url is None
    assert load_settings(data_dir=None).database_url is not None
    monkeypatch.setenv("MAITRED_DATA_DIR", str(tmp_path))
    assert load_settings().database_url is not None, "the address comes first where neither is given"


def test_settings_cannot_be_changed_once_they_are_read(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    with pytest.raises(ValidationError):
        settings.port = 1
    assert settings.data_dir == tmp_path


def test_a_user_without_a_home_has_settings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless(_uid: int) -> None:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(pwd, "getpwuid", nameless)
    assert load_settings().data_dir.is_absolute()


DAY_S = 86_400.0
# What is promised of a service that nobody has configured.
PROMISED = {
    "hold_ttl_s_min": 60.0,
    "hold_ttl_s_default": 180.0,
    "hold_ttl_s_max": 900.0,
    "hold_life_s_max": 1_800.0,
    "ledger_ttl_s": 7 * DAY_S,
    "event_attempts_max": 10,
    "event_retry_s_max": 30.0,
    "event_retention_s": 7 * DAY_S,
    "event_dead_policy": "continue",
    "claims_kept_s": 30 * DAY_S,
    "holds_kept_s": 30 * DAY_S,
    "history_kept_s": 3 * 365 * DAY_S,
    "telemetry_retention_s": 90 * DAY_S,
    "sinks": ("telemetry",),
    "cache": "memory",
}


def test_the_defaults_are_what_is_promised() -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in PROMISED} == PROMISED
    # Expired holds are gone within a minute, wherever in its round the sweeper is.
    assert settings.sweep_s <= 30


def test_a_data_directory_in_a_home_is_there_and_not_in_a_folder_of_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MAITRED_DATA_DIR", "~/tables")
    assert load_settings().data_dir == tmp_path / "tables"
    (problem,) = problems_of(data_dir="~nobody-is-called-so/tables")
    assert "must begin with a home that somebody has, not '~nobody-is-called-so/tables'" in problem


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_other_machines_reach_is_refused_before_anything_starts(host: str) -> None:
    (problem,) = problems_of(host=host)
    assert problem.startswith("host (MAITRED_HOST): other machines must not reach it")
    assert problem.endswith(f"listen on 127.0.0.1 or ::1, not {host!r}")
