"""What commands write as JSON has the names that docs/command-line.md gives."""

import json
import re

import pytest

from maitred_client import messages
from tests.builders.world_extras import house
from tests.conftest import Served
from tests.support.command_line_page import json_of_commands
from tests.support.programs import run

pytestmark = pytest.mark.shared_server

AT = "--address {address} --tenant {tenant} --restaurant {restaurant}"
# Commands that only look, and how they are asked here.
ASKED = {
    "plan": f"--party 4 --start 2099-01-05T19:00 {AT}",
    "explain": f"--tables W1 --party 4 --start 2099-01-05T19:00 {AT}",
    "availability": f"--party 4 --date 2099-01-05 --from 19:00 --to 20:00 {AT}",
    "booking": f"{{booking}} {AT}",
    "holds": AT,
    "blocks": AT,
    "floor": f"--date 2099-01-05 {AT}",
    "verify": AT,
    "outbox stats": "--address {address} --tenant {tenant}",
    "outbox list": AT,
    "outbox switches": "--database-url {url}",
    "migrate status": "--database-url {url}",
    "doctor": "--database-url {url}",
    "health": "--address {address}",
    "config": "",
}
QUOTED = re.compile(r"`(\w+)`")


@pytest.mark.parametrize("command", ASKED)
async def test_what_a_command_writes_has_the_names_of_the_page(command: str, server: Served) -> None:
    async with server.client() as client:
        place = await house(client)
        booking = await place.party()
        await place.hold(booking, "W2")
        await place.block("W4")
    asked = f"{command} {ASKED[command]} -o json".format(
        address=server.address,
        tenant=server.tenant_id,
        restaurant=place.restaurant_id,
        booking=booking.booking_id,
        url=server.server_url,
    )
    written = json.loads((await run(*asked.split())).out)
    told = json_of_commands()[command]
    assert isinstance(written, list) == told.startswith("a list")
    found = set(written[0] if isinstance(written, list) else written)
    always, perhaps = names_of(told)
    assert always <= found <= always | perhaps


def names_of(told: str) -> tuple[set[str], set[str]]:
    """The names that are always there, and those of messages that may not be set."""
    always, perhaps = set[str](), set[str]()
    own, *_of_the_last = re.split("(?<=`): ", told.partition(";")[0])
    for name in QUOTED.findall(own):
        form = getattr(messages, name, None)
        if form is None:
            always.add(name)
            continue
        for field in form.DESCRIPTOR.fields:
            (perhaps if field.has_presence else always).add(field.name)
    return always, perhaps
