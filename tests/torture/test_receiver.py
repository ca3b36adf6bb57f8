"""What workers deliver is taken over HTTP, once."""

import aiohttp

from server.bench.webhooks import listening
from server.torture.receiver import Receiver


async def test_an_event_that_is_posted_again_is_a_repeat() -> None:
    receiver = Receiver()
    async with listening(receiver) as port, aiohttp.ClientSession() as session:
        for event_id in ("e1", "e2", "e1"):
            event = {"id": event_id, "restaurantid": "r"}
            async with session.post(f"http://127.0.0.1:{port}/events", json=event) as answer:
                assert answer.status == 204
        assert (receiver.received, receiver.repeats) == (2, 1)
        assert list(receiver.wrong({"e1": ("r", 1, 1), "e2": ("r", 1, 2)})) == []
        assert list(receiver.wrong({"e1": ("r", 1, 2), "e2": ("r", 1, 1)})) != []
