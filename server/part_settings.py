"""What each part is told of the settings."""

import sys

from server.config import Settings
from server.orchestrator.hold_tables import HoldLimits
from server.persistence.group import GroupLimits
from server.persistence.store import StoreSettings
from server.rpc.interceptors.identity import DeadlineLimits
from server.rpc.server import RpcSettings
from server.telemetry.logs import LogForm


def hold_limits(settings: Settings) -> HoldLimits:
    return HoldLimits(
        settings.hold_ttl_s_default,
        settings.hold_ttl_s_min,
        settings.hold_ttl_s_max,
        settings.hold_life_s_max,
    )


def store_settings(settings: Settings) -> StoreSettings:
    return StoreSettings(
        attempts_max=settings.attempts_max,
        lock_timeout_s=settings.lock_timeout_s,
        ledger_ttl_s=settings.ledger_ttl_s,
        read_timeout_s=settings.deadline_s_default,
        writers_per_restaurant=settings.writers_per_restaurant,
        groups=GroupLimits(
            members_max=settings.group_members_max,
            groups_max=settings.groups_max,
            queue_max=settings.group_queue_max,
            lock_timeout_s=settings.lock_timeout_s,
            ledger_ttl_s=settings.ledger_ttl_s,
        ),
    )


def rpc_settings(settings: Settings) -> RpcSettings:
    return RpcSettings(
        host=settings.host,
        port=settings.port,
        reuse_port=settings.processes > 1,
        calls_max=settings.calls_in_flight_max,
        waiting_max=settings.calls_waiting_max,
        connection_calls_max=settings.connection_calls_max,
        streams_max=settings.streams_max,
        deadlines=DeadlineLimits(settings.deadline_s_default, settings.deadline_s_max),
    )


def log_form(settings: Settings) -> LogForm:
    if settings.log_format == "auto":
        return LogForm.TEXT if sys.stderr.isatty() else LogForm.JSON
    return LogForm(settings.log_format)
