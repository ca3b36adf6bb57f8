"""Settings: where they come from, what is refused, and what may be shown."""

import os
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
SECRETS = {"database_url": URL, "redis_url": f"redis://maitred:{PASSWORD}@cache.example/1"}


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


def test_every_setting_can_be_given_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load_settings()
    for view in describe(defaults):
        monkeypatch.setenv(view.env, SECRETS.get(view.name, view.value))
    settings = load_settings()
    assert settings.model_copy(update=dict.fromkeys(SECRETS)) == defaults
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL


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
        ({"cache": "redis"}, "cache redis needs redis_url"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, object], problem: str) -> None:
    assert problems_of(**given) == (problem,)


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


def test_secrets_are_never_shown() -> None:
    settings = load_settings(database_url=URL)
    views = describe(settings)
    shown = [repr(settings), str(settings), f"{settings}", settings.model_dump_json(), repr(views)]
    assert not [text for text in shown if PASSWORD in text or "db.example" in text]


def test_a_description_names_value_default_and_variable_of_every_setting() -> None:
    views = {view.name: view for view in describe(load_settings(port=7500))}
    assert views.keys() == Settings.model_fields.keys()
    assert (views["port"].value, views["port"].default, views["port"].env) == ("7500", "7420", "MAITRED_PORT")
    assert all(view.description for view in views.values())


def test_settings_cannot_be_changed_once_they_are_read(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    with pytest.raises(ValidationError):
        settings.port = 1
    assert settings.data_dir == tmp_path
