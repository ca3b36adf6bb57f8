"""Receives maitred's events from NATS JetStream. Needs nats-py.

Usage: python nats_consumer.py NATS_URL STREAM STATE_FILE

A durable consumer: started again, it goes on where it stopped. Writes a line of JSON per event.
"""

import asyncio
import json
import sys
from pathlib import Path

import nats
from inbox import Inbox
from nats.errors import TimeoutError as NothingThereError

BATCH = 100
WAIT_S = 5.0


async def main() -> None:
    url, stream, state = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    inbox = Inbox(state)
    client = await nats.connect(url)
    # All event types have three words, so "maitred.capacity.*.*.<restaurant id>" would be those of one restaurant.
    events = await client.jetstream().pull_subscribe("maitred.capacity.>", durable="example", stream=stream)
    while True:
        try:
            messages = await events.fetch(BATCH, timeout=WAIT_S)
        except NothingThereError:
            continue
        for message in messages:
            event = json.loads(message.data)
            verdict = inbox.take(event)
            print(json.dumps({"id": event["id"], "type": event["type"], "verdict": verdict}), flush=True)
            # Only what is in the inbox for good is acknowledged; anything else comes again.
            await message.ack()


if __name__ == "__main__":
    asyncio.run(main())
