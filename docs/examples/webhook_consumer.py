"""Receives maitred's events by webhook. Standard library only.

Usage: WEBHOOK_SECRET=whsec_… python webhook_consumer.py PORT STATE_FILE

Listens on loopback; put a proxy that speaks https in front. Writes a line of JSON per event.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from inbox import Inbox

TOLERANCE_S = 300
BODY_BYTES_MAX = 1_000_000
NUMBER = re.compile("[0-9]{1,10}")


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the body comes from whoever has the secret, and was sent just now."""
    sent_at = headers.get("webhook-timestamp", "")
    if not NUMBER.fullmatch(sent_at) or abs(time.time() - int(sent_at)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # Several signatures while the secret is being replaced: one of them has to fit.
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected.encode(), each.encode()) for each in given)


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 once the event is in the inbox for good: only then does the sender stop repeating it."""

    inbox: Inbox
    secret: str
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not NUMBER.fullmatch(length) or int(length) > BODY_BYTES_MAX:
            # What is left unread must not pass for the next request.
            self.close_connection = True
            self.answer(400)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_genuine(self.secret, headers, body):
            self.answer(401)
            return
        event = json.loads(body)
        verdict = self.inbox.take(event)
        print(json.dumps({"id": event["id"], "type": event["type"], "verdict": verdict}), flush=True)
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The lines about events are enough."""


def main() -> None:
    port, state = int(sys.argv[1]), Path(sys.argv[2])
    Receiver.inbox, Receiver.secret = Inbox(state), os.environ["WEBHOOK_SECRET"]
    server = HTTPServer(("127.0.0.1", port), Receiver)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
