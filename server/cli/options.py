"""Options that several commands share, each with its environment twin."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from maitred_client import AsyncMaitredClient
from maitred_client.calls import require_address
from server.cli.output import Format, typed
from server.domain.limits import HOLD_LIFE_S_MAX

ADDRESS_DEFAULT = "127.0.0.1:7420"
# The tenant of the sample restaurant. A server that identifies callers by header takes any tenant.
SAMPLE_TENANT = UUID("5d1f7c1e-6a55-4c1b-9a39-6c6f0e3b7a10")

CONNECTION = "Connection"
# As many as the setting `processes` may name.
SERVER_PROCESSES_MAX = 256
# Of a load that one machine makes.
CLIENT_PROCESSES_MAX, LINES_MAX, CALLERS_MAX = 64, 1_000, 20_000


def option(
    name: str,
    panel: str | None,
    help_text: str,
    least: float | None = None,
    most: float | None = None,
    *,
    variable: str = "",
    prefix: str = "MAITRED_CLI_",
    check: Callable[..., Any] | None = None,
    **more: Any,
) -> typer.models.OptionInfo:
    """An option and its environment twin, whose name after the prefix is the option's unless another is given.

    `more` is what else typer is told of it.
    """
    twin = variable or name.removeprefix("--").replace("-", "_").upper()
    found = typer.Option(
        name,
        envvar=f"{prefix}{twin}",
        callback=check,
        min=least,
        max=most,
        help=help_text,
        rich_help_panel=panel,
        **more,
    )
    assert isinstance(found, typer.models.OptionInfo)
    return found


def an_address(text: str | None) -> str | None:
    """What is typed as an address, if anything is. Raises BadParameter for what cannot be one."""
    try:
        if text is not None:
            require_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def an_actor(text: str) -> str:
    """Who is said to ask. Raises BadParameter for what no header takes."""
    if not (text.isascii() and text.isprintable()):
        raise typer.BadParameter(f"{text!r} cannot be sent; write it in printable ASCII")
    return text


Address = Annotated[str, option("--address", CONNECTION, "host:port of the server.", check=an_address)]
HoldId = Annotated[UUID, typer.Argument(metavar="HOLD", help="Id of the hold.", envvar="MAITRED_CLI_HOLD")]
BookingId = Annotated[
    UUID, typer.Argument(metavar="BOOKING", help="Id of the booking.", envvar="MAITRED_CLI_BOOKING")
]
ServiceDate = Annotated[
    str,
    option(
        "--date",
        None,
        "Local date, YYYY-MM-DD; if left out today, or after midnight yesterday until it has closed.",
    ),
]
Tenant = Annotated[UUID, option("--tenant", CONNECTION, "Whose restaurants.")]
Actor = Annotated[
    str, option("--actor", CONNECTION, "Who asks, in ASCII; kept in the history.", check=an_actor)
]
Timeout = Annotated[float, option("--timeout", CONNECTION, "Seconds to wait for one call.", 0.05, 600.0)]
Ttl = Annotated[
    int | None,
    option("--ttl", None, "Seconds to hold from now on; the server has a default.", 1, HOLD_LIFE_S_MAX),
]
Output = Annotated[
    Format,
    typer.Option("--output", "-o", envvar="MAITRED_CLI_OUTPUT", help="How to write the result."),
]
RestaurantName = Annotated[
    str,
    option(
        "--restaurant", None, "Id or name of the restaurant; may be left out when the tenant has only one."
    ),
]
OfRestaurant = Annotated[
    str, option("--restaurant", None, "Id or name of a restaurant; all of the tenant's if left out.")
]
HistoryReason = Annotated[str, option("--reason", None, "Why; kept in the booking's history.")]
AuditReason = Annotated[str, option("--reason", None, "Why; kept in the audit log.")]
Avoid = Annotated[str, option("--avoid", None, "Tables to leave out: T1,T2.")]
Svg = Annotated[
    Path | None, option("--svg", None, "Also write the picture to this SVG file.", dir_okay=False)
]
Png = Annotated[
    Path | None, option("--png", None, "Also write the picture to this PNG file.", dir_okay=False)
]


@dataclass(frozen=True, slots=True)
class Connection:
    """Whom to call, and as whom. As a parameter of a command it is four options; its default is theirs."""

    address: str = ADDRESS_DEFAULT
    tenant: UUID = SAMPLE_TENANT
    actor: str = "maitred-cli"
    timeout_s: float = 10.0

    def command(self, words: str, restaurant_id: str = "") -> str:
        """A command line, to be copied, that asks the same server about the same tenant, and the restaurant if one has
        to be named."""
        restaurant = f" --restaurant {restaurant_id}" if restaurant_id else ""
        address = "" if self.address == ADDRESS_DEFAULT else f" --address {self.address}"
        tenant = "" if self.tenant == SAMPLE_TENANT else f" --tenant {self.tenant}"
        return f"{typed('maitred')} {words}{restaurant}{address}{tenant}"

    def open(self) -> AsyncMaitredClient:
        """A client to be entered inside a running event loop."""
        return AsyncMaitredClient(
            self.address, tenant_id=self.tenant, actor=self.actor, timeout_s=self.timeout_s
        )


HERE = Connection()


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, and not only in the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
