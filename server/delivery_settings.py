"""The settings of what delivers events: the relay and the sinks."""

from typing import Annotated, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from server.outbox.sinks.signature import read_secret
from server.rpc.listening import is_loopback

SinkName: TypeAlias = Literal["log", "telemetry", "webhook", "nats"]


class DeliverySettings(BaseSettings):
    """The part of the settings that only a worker reads."""

    relay_restaurants_max: int = Field(
        16, ge=1, le=1_000, description="restaurants whose events a worker has in hand at a time"
    )
    relay_events_max: int = Field(
        100, ge=1, le=10_000, description="events of one restaurant that a worker takes at a time"
    )
    relay_poll_s: float = Field(
        1.0, gt=0, le=60, description="how often a worker looks for events that were not announced"
    )
    lease_s: float = Field(
        60.0, ge=1, le=3_600, description="after how long the events of a cut-off worker are taken over"
    )
    event_timeout_s: float = Field(
        40.0, gt=0, le=600, description="how long delivering one event may take before it is tried again"
    )
    event_attempts_max: int = Field(
        10, ge=1, le=100, description="attempts before an event is given up as dead, the first included"
    )
    event_retry_s: float = Field(
        0.25, gt=0, le=60, description="wait after a first failed attempt; it doubles"
    )
    event_retry_s_max: float = Field(30.0, gt=0, le=3_600, description="longest wait between two attempts")
    event_outage_s_max: float = Field(
        86_400.0,
        ge=0,
        le=3_660 * 86_400,
        description="how long failed attempts don't count while nothing is delivered to anybody",
    )
    event_dead_policy: Literal["continue", "block"] = Field(
        "continue", description="whether a restaurant's later events go on past a dead one, or wait behind it"
    )
    event_retention_s: float = Field(
        7 * 86_400.0,
        ge=3_600,
        le=3_660 * 86_400,
        description="how long delivered events can be watched again",
    )
    rescue_s: float = Field(1.0, gt=0, le=60, description="how often a worker looks for workers that died")
    sweep_s: float = Field(10.0, gt=0, le=60, description="how often expired holds are cleared away")
    auto_assign_poll_s: float = Field(
        1.0, gt=0, le=60, description="how often a worker looks for bookings to assign in the background"
    )
    upkeep_s: float = Field(60.0, ge=1, le=86_400, description="how often what is past its time is deleted")
    upkeep_rows_max: int = Field(1_000, ge=1, le=100_000, description="rows that one round of upkeep touches")
    claims_kept_s: float = Field(
        30 * 86_400.0,
        ge=3_600,
        le=3_660 * 86_400,
        description="how long past claims of completed bookings and of blocks are kept",
    )
    holds_kept_s: float = Field(
        30 * 86_400.0,
        ge=3_600,
        le=3_660 * 86_400,
        description="how long holds that were released or expired are kept",
    )
    history_kept_s: float = Field(
        3 * 365 * 86_400.0,
        ge=86_400,
        le=3_660 * 86_400,
        description="how long past bookings and blocks and the audit log are kept",
    )
    verify_s: float = Field(
        3_600.0, ge=10, le=7 * 86_400, description="how often a worker checks the invariants of all data"
    )
    measure_s: float = Field(
        5.0, gt=0, le=300, description="how often the age of the oldest undelivered event is measured"
    )
    round_failures_max: int = Field(
        3, ge=1, le=100, description="failures in a row after which a service of a worker is not serving"
    )
    round_s_max: float = Field(
        60.0,
        ge=1,
        le=3_600,
        description="how long a round of a worker's service may take before it counts as hung",
    )
    worker_host: str = Field("127.0.0.1", description="address on which a worker says whether it is healthy")
    worker_port: int = Field(0, ge=0, le=65_535, description="port for that; 0 takes a free one")
    sinks: Annotated[tuple[SinkName, ...], NoDecode] = Field(
        ("telemetry",), description="where events go, parted by commas: log, telemetry, webhook, nats"
    )
    telemetry_timeout_s: float = Field(
        5.0, gt=0, le=60, description="wait for a connection, and then for the statement, that keeps an event"
    )
    telemetry_retention_s: float = Field(
        90 * 86_400.0, ge=86_400, le=3_660 * 86_400, description="how long telemetry events are kept"
    )
    webhook_url: SecretStr | None = Field(None, description="where events are posted to; https, or loopback")
    webhook_secret: SecretStr | None = Field(
        None, description="whsec_ and base64 of 24 to 64 bytes; of several, parted by commas, each signs"
    )
    webhook_timeout_s: float = Field(10.0, gt=0, le=120, description="wait for the receiver's whole answer")
    webhook_connect_timeout_s: float = Field(
        3.0, gt=0, le=60, description="the part of webhook_timeout_s that a connection may take"
    )
    webhook_connections_max: int = Field(
        32, ge=1, le=1_000, description="connections to the receiver at a time"
    )
    webhook_allow_plain_http: bool = Field(
        False, description="post unencrypted to other machines; signed all the same"
    )
    nats_url: SecretStr | None = Field(
        None, description="NATS servers of one cluster, nats:// or tls://, parted by commas"
    )
    nats_stream: str = Field(
        "MAITRED", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="JetStream stream; made if it is not there"
    )
    nats_replicas: int = Field(1, ge=1, le=5, description="replicas of a stream that has to be made")
    nats_max_age_s: float = Field(
        7 * 86_400.0,
        ge=600,
        le=3_660 * 86_400,
        description="how long a stream that has to be made keeps events",
    )
    nats_timeout_s: float = Field(
        5.0, ge=0.1, le=60, description="wait for a connection, and for the stream's answer"
    )

    @field_validator("sinks", mode="before")
    @classmethod
    def _parted(cls, sinks: object) -> object:
        return tuple(name.strip() for name in sinks.split(",")) if isinstance(sinks, str) else sinks

    @field_validator("sinks")
    @classmethod
    def _are_some(cls, sinks: tuple[SinkName, ...]) -> tuple[SinkName, ...]:
        if not sinks or len(set(sinks)) < len(sinks):
            raise ValueError("names at least one sink, and each once")
        return sinks

    @field_validator("webhook_url")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_address(url.get_secret_value(), ("http", "https")):
            raise ValueError("must be an address that starts with https:// or http://")
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _are_secrets(cls, secret: SecretStr | None) -> SecretStr | None:
        for each in listed(secret):
            read_secret(each)
        return secret

    @field_validator("nats_url")
    @classmethod
    def _is_nats(cls, url: SecretStr | None) -> SecretStr | None:
        if not all(_is_address(each, ("nats", "tls")) for each in listed(url)):
            raise ValueError("each must be an address that starts with nats:// or tls://")
        return url


def delivery_relations(settings: DeliverySettings) -> tuple[tuple[bool, str], ...]:
    """What has to hold between these settings, with what to say when it doesn't."""
    webhook, nats = "webhook" in settings.sinks, "nats" in settings.sinks
    url = settings.webhook_url
    kept_secret = url is None or _is_kept_secret(urlsplit(url.get_secret_value()))
    return (
        (settings.event_timeout_s < settings.lease_s, "event_timeout_s must be less than lease_s"),
        (
            settings.event_retry_s <= settings.event_retry_s_max,
            "event_retry_s must not exceed event_retry_s_max",
        ),
        (
            settings.event_retention_s <= settings.history_kept_s,
            "event_retention_s must not exceed history_kept_s",
        ),
        (
            not webhook or settings.webhook_timeout_s < settings.event_timeout_s,
            "webhook_timeout_s must be less than event_timeout_s",
        ),
        (
            not nats or 4 * settings.nats_timeout_s < settings.event_timeout_s,
            "event_timeout_s must be more than four times nats_timeout_s",
        ),
        (
            "telemetry" not in settings.sinks or 2 * settings.telemetry_timeout_s < settings.event_timeout_s,
            "event_timeout_s must be more than twice telemetry_timeout_s",
        ),
        (not webhook or url is not None, "sinks has webhook, which needs webhook_url"),
        (
            not webhook or bool(listed(settings.webhook_secret)),
            "sinks has webhook, which needs webhook_secret",
        ),
        (
            kept_secret or settings.webhook_allow_plain_http,
            "webhook_url is not encrypted: use https, or set webhook_allow_plain_http",
        ),
        (
            settings.webhook_connect_timeout_s <= settings.webhook_timeout_s,
            "webhook_connect_timeout_s must not exceed webhook_timeout_s",
        ),
        (not nats or bool(listed(settings.nats_url)), "sinks has nats, which needs nats_url"),
    )


def listed(secret: SecretStr | None) -> tuple[str, ...]:
    """The parts of a secret setting that are parted by commas."""
    text = "" if secret is None else secret.get_secret_value()
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parts_of_address(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """None unless everything in it can be read, so that no error has to show it later."""
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in schemes and parts.port != 0 else None
    except ValueError:
        return None


def _is_address(url: str, schemes: tuple[str, ...]) -> bool:
    parts = parts_of_address(url, schemes)
    return parts is not None and bool(parts.hostname) and not set(url) & set(" \t\n")


def _is_kept_secret(url: SplitResult) -> bool:
    return url.scheme == "https" or is_loopback(url.hostname or "")
