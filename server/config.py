"""One frozen settings value: defaults, ranges, relations, and printing without secrets."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsConfigDict

from server.delivery_settings import DeliverySettings, delivery_relations, parts_of_address
from server.domain.limits import HOLD_LIFE_S_MAX
from server.rpc.listening import EXPOSED, is_loopback

ENV_PREFIX = "MAITRED_"

# The environment twins of options that are no settings: the command line reads these itself.
COMMAND_LINE_VARIABLES = frozenset(
    f"{ENV_PREFIX}CLI_{name}"
    for name in (
        "ACTOR ADDRESS ALL ALTERNATIVES ANSWER_WITHIN AT AVOID "
        "BEST BLOCK BOOKING "
        "CALLERS CALLS CAUSE CHECK CHECK_DATABASE CLIENTS CONFIRMS CUTOFF "
        "DATE DIRECT_TELEMETRY DISTURBANCES DRAINED DURATION "
        "EVENT EVENTS EVERY "
        "FLOOR_TABLES FROM "
        "HISTORY HOLD "
        "IN_FLIGHT "
        "KILLS KILLS_OF_POSTGRES KILLS_OF_SERVERS KILLS_OF_WORKERS "
        "LIMIT LINES LOADS LOST_ANSWERS "
        "METHOD METRICS MINUTES "
        "NOTE "
        "ONLY OPERATIONS ORDER OUT OUTPUT OVERFLOW OVERRIDE "
        "PARTY PNG PREFER PREFER_ZONE PROCESSES PROFILE "
        "QUICK "
        "RATE REASON REFERENCE REPEATS REPORT REQUEST_ID REQUIRE RESTAURANT RESTAURANTS ROOMS ROWS RUNS "
        "SCALE SCENARIO SEED SEEDS SERVERS START START_SERVER STATE STATUS STAY STEADY STEP SVG "
        "TABLES TARGET TENANT TIMEOUT TO TOLERANCE TTL TYPE "
        "VERIFY_DATABASE "
        "WAKES WATCH WORKERS "
        "ZONE "
    ).split()
)


class SettingsError(Exception):
    """The settings don't make sense; `problems` has a sentence for each, all at once."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _data_dir() -> Path:
    """Root's PostgreSQL runs under another account, which has to reach its data; homes of root are closed to it."""
    if os.geteuid() != 0:
        data_home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        # A user without a name, as in a container, may have no home.
        with suppress(RuntimeError):
            return Path(data_home).expanduser() / "maitred"
    return Path("/var/lib/maitred")


class Settings(DeliverySettings):
    """Everything that can be set, each from MAITRED_ and its name in capitals. Units are in the names."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, frozen=True, extra="forbid", validate_default=True
    )

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL to use; without it an embedded one is started"
    )
    data_dir: Path = Field(
        default_factory=_data_dir, description="where the embedded PostgreSQL keeps its data"
    )
    postgres: Literal["auto", "distribution", "wheel"] = Field(
        "auto",
        description="which PostgreSQL to embed: the distribution's, the wheel's, or the first that is there",
    )
    exclusion_form: Literal["auto", "btree_gist", "core"] = Field(
        "auto", description="form of the exclusion constraint that a new database gets"
    )
    host: str = Field("127.0.0.1", description="address to listen on, a loopback one")
    port: int = Field(7420, ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    processes: int = Field(1, ge=1, le=256, description="processes of maitred serve, which share the port")
    pool_size_min: int = Field(2, ge=1, le=1_000, description="database connections kept open")
    pool_size_max: int = Field(
        16, ge=1, le=1_000, description="most database connections; the processes of maitred serve share them"
    )
    statement_cache_size: int = Field(
        256, ge=0, le=10_000, description="prepared statements per connection; 0 behind a transaction pooler"
    )
    writers_per_restaurant: int = Field(
        2, ge=1, le=64, description="transactions of one restaurant open at a time in this process"
    )
    group_members_max: int = Field(
        128, ge=1, le=1_000, description="changes that share a transaction at most; 1 gives each its own"
    )
    groups_max: int = Field(
        2, ge=1, le=64, description="shared transactions under way; the processes of maitred serve share them"
    )
    group_queue_max: int = Field(
        4_096, ge=1, le=100_000, description="changes that wait for a transaction before SERVER_OVERLOADED"
    )
    lock_timeout_s: float = Field(
        2.0, gt=0, le=60, description="wait for a lock before the transaction is retried"
    )
    attempts_max: int = Field(5, ge=1, le=20, description="tries of a transaction that lost a race")
    deadline_s_default: float = Field(10.0, gt=0, le=600, description="for calls that bring no deadline")
    deadline_s_max: float = Field(60.0, gt=0, le=600, description="longest deadline that is honoured")
    answer_margin_s: float = Field(
        0.2,
        gt=0,
        le=10,
        description="how much of its deadline an automatic assignment keeps for the answer; at most half of it",
    )
    hold_ttl_s_default: float = Field(
        180.0, ge=1, le=HOLD_LIFE_S_MAX, description="life of a hold that asks for none"
    )
    hold_ttl_s_min: float = Field(60.0, ge=1, le=HOLD_LIFE_S_MAX, description="shortest life of a hold")
    hold_ttl_s_max: float = Field(
        900.0, ge=1, le=HOLD_LIFE_S_MAX, description="longest life that a hold can ask for"
    )
    hold_life_s_max: float = Field(
        1_800.0, ge=1, le=HOLD_LIFE_S_MAX, description="longest life of a hold, extensions included"
    )
    ledger_ttl_s: float = Field(
        7 * 86_400.0, ge=3_600, le=90 * 86_400, description="how long answers are remembered by request_id"
    )
    calls_in_flight_max: int = Field(
        2_048,
        ge=1,
        le=100_000,
        description="calls in work; more of them wait while others end, or are refused",
    )
    calls_waiting_max: int = Field(
        1_024,
        ge=1,
        le=100_000,
        description="calls that may wait to be looked at; more of them end at once with CANCELLED",
    )
    connection_calls_max: int = Field(
        2_048,
        ge=1,
        le=100_000,
        description="calls and watched floors of one connection; more of them wait with the caller",
    )
    streams_max: int = Field(
        5_000, ge=1, le=1_000_000, description="watched floors at a time before SERVER_OVERLOADED"
    )
    watch_queue_max: int = Field(
        256, ge=8, le=100_000, description="changes that wait for a slow watcher before it has to resume"
    )
    watch_poll_s: float = Field(
        1.0, gt=0, le=60, description="how often watched floors are looked at when nothing is announced"
    )
    announce_interval_s: float = Field(
        0.05,
        ge=0.001,
        le=10,
        description="time between two notifications of a busy process; a quiet one tells at once",
    )
    listen_probe_s: float = Field(
        10.0, gt=0, le=300, description="how often it is proven that notifications arrive"
    )
    drain_s: float = Field(20.0, ge=0, le=600, description="how long a shutdown waits for calls in work")
    health_interval_s: float = Field(
        1.0, gt=0, le=60, description="how often the database is asked whether it is there"
    )
    cache: Literal["memory", "redis"] = Field(
        "memory",
        description="where floors are cached; redis shares them between processes, in front of the database",
    )
    redis_url: SecretStr | None = Field(None, description="Redis to share, redis:// or with TLS rediss://")
    inventories_cached_max: int = Field(
        2_000, ge=1, le=100_000, description="floors kept in memory, and restaurants whose claims are"
    )
    claims_cached_max: int = Field(
        200_000, ge=0, le=10_000_000, description="claims and waiting bookings kept in memory; 0 keeps none"
    )
    inventory_ttl_s: float = Field(600.0, gt=0, le=86_400, description="how long a prepared floor is kept")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line logged"
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="auto is text on a terminal, else JSON"
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="port of this machine to show measurements on, at /metrics for Prometheus; 0 takes a free one",
    )
    trace_exporter: str = Field(
        "none",
        description="OpenTelemetry exporter for traces, such as otlp or console, if its package is installed",
    )

    @field_validator("metrics_port", mode="before")
    @classmethod
    def _may_be_none(cls, port: object) -> object:
        return None if isinstance(port, str) and port.lower() in ("", "none") else port

    @field_validator("data_dir", "host", "worker_host", mode="before")
    @classmethod
    def _is_named(cls, text: object) -> object:
        # An empty path would be whatever folder the program is started in, and an empty host every address.
        if isinstance(text, str) and not text.strip():
            raise ValueError("must not be empty")
        return text

    @field_validator("data_dir")
    @classmethod
    def _at_home(cls, folder: Path) -> Path:
        # A shell resolves "~" where it is typed, and nobody does in a file of variables.
        try:
            return folder.expanduser()
        except RuntimeError:
            raise ValueError("must begin with a home that somebody has") from None

    @field_validator("host")
    @classmethod
    def _is_not_exposed(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError(EXPOSED)
        return host

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis_address(url.get_secret_value()):
            raise ValueError(
                "must be an address that starts with redis:// or rediss://, a number its only path"
            )
        return url

    @model_validator(mode="after")
    def _relations(self) -> "Settings":
        problems = [text for holds, text in _relations(self) if not holds]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _is_redis_address(url: str) -> bool:
    parts = parts_of_address(url, ("redis", "rediss"))
    if parts is None:
        return False
    number = parts.path.strip("/") or "0"
    return number.isascii() and number.isdigit()


def _relations(settings: Settings) -> tuple[tuple[bool, str], ...]:
    ttl_ordered = settings.hold_ttl_s_min <= settings.hold_ttl_s_default <= settings.hold_ttl_s_max
    return (
        (settings.pool_size_min <= settings.pool_size_max, "pool_size_min must not exceed pool_size_max"),
        (ttl_ordered, "hold_ttl_s_min, hold_ttl_s_default, hold_ttl_s_max must rise"),
        (
            settings.hold_ttl_s_max <= settings.hold_life_s_max,
            "hold_ttl_s_max must not exceed hold_life_s_max",
        ),
        (
            settings.deadline_s_default <= settings.deadline_s_max,
            "deadline_s_default must not exceed deadline_s_max",
        ),
        (
            settings.ledger_ttl_s <= min(settings.holds_kept_s, settings.history_kept_s),
            "ledger_ttl_s must not exceed holds_kept_s or history_kept_s",
        ),
        (
            (settings.metrics_port or 0) + settings.processes - 1 <= 65_535,
            "metrics_port leaves no room for the ports of all processes",
        ),
        (settings.cache != "redis" or settings.redis_url is not None, "cache redis needs redis_url"),
        (
            "log" not in settings.sinks or settings.log_level in ("debug", "info"),
            "sinks has log, which writes at level info: log_level must not be higher",
        ),
        *delivery_relations(settings),
    )


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, with overrides that win over it; None overrides nothing.

    Whoever names a data directory, and no database, means the one in it: `database_url` of the environment is left.
    Raises `SettingsError` with every problem, unknown MAITRED_ variables included.
    """
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    if "data_dir" in given:
        given.setdefault("database_url", None)
    problems = [_unknown(name) for name in sorted(_unknown_variables())]
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems += [_sentence(problem) for problem in error.errors()]
        raise SettingsError(tuple(problems)) from None
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def as_environment(settings: Settings) -> Mapping[str, str]:
    """The variables from which another process reads the same settings. They hold secrets."""
    values = ((name, getattr(settings, name)) for name in Settings.model_fields)
    return {
        f"{ENV_PREFIX}{name.upper()}": value.get_secret_value()
        if isinstance(value, SecretStr)
        else _shown(value)
        for name, value in values
        if value is not None
    }


def other_variables() -> dict[str, str]:
    """This process's environment without what is ours, for another process that gets settings of its own."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}


def setting_variables() -> frozenset[str]:
    """The environment variable of every setting."""
    return frozenset(f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields)


def _unknown_variables() -> Iterator[str]:
    """Variables that look like ours and that nothing reads, whatever their case."""
    known = setting_variables() | COMMAND_LINE_VARIABLES
    return (name for name in os.environ if name.upper().startswith(ENV_PREFIX) and name.upper() not in known)


def _unknown(name: str) -> str:
    # Compared without the prefix, which would make everything look alike.
    known = [variable.removeprefix(ENV_PREFIX) for variable in setting_variables() | COMMAND_LINE_VARIABLES]
    closest = get_close_matches(name.upper().removeprefix(ENV_PREFIX), sorted(known), n=1)
    remedy = f"did you mean {ENV_PREFIX}{closest[0]}?" if closest else "maitred config lists them all"
    return f"{name}: there is no such setting; {remedy}"


def _sentence(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    text = str(problem["msg"]).removeprefix("Value error, ")
    if not name:
        return text
    return f"{name} ({ENV_PREFIX}{name.upper()}): {text}, not {_shown_input(name, problem['input'])}"


def _shown_input(name: str, value: object) -> str:
    return "what was given" if _is_secret(Settings.model_fields.get(name)) else repr(value)


def _is_secret(field: FieldInfo | None) -> bool:
    return field is not None and field.annotation == SecretStr | None


@dataclass(frozen=True, slots=True)
class SettingView:
    """One setting as it may be shown to anybody."""

    name: str
    value: str
    source: str
    default: str
    env: str
    description: str


def describe(settings: Settings) -> tuple[SettingView, ...]:
    """Every setting with its value and default, and where the value comes from; secrets are hidden."""
    return tuple(
        SettingView(
            name,
            _shown(getattr(settings, name)),
            "environment" if name in settings.model_fields_set else "default",
            _shown(_default(field)),
            f"{ENV_PREFIX}{name.upper()}",
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True, validated_data={})
