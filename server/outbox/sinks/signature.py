"""Signatures by which the receiver of a webhook knows who sent it, and that it was sent just now.

The scheme is that of Standard Webhooks: HMAC-SHA256 over `<id>.<timestamp>.<body>`, the timestamp in seconds since
1970, and the signature as `v1,<base64>`. Several secrets give several signatures, parted by spaces, so that a secret
can be replaced without a gap.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
KEY_BYTES_MIN, KEY_BYTES_MAX = 24, 64


def read_secret(text: str) -> bytes:
    """The key in a secret of the form `whsec_<base64>`. Raises `ValueError`, whose text does not show the secret."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"a secret is {PREFIX} and base64") from None
    if not text.startswith(PREFIX) or not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise ValueError(f"a secret is {PREFIX} and base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes")
    return key


def signed_headers(keys: Sequence[bytes], message_id: str, sent_at_s: int, body: bytes) -> dict[str, str]:
    """The headers that go with a body. `sent_at_s` is in seconds since 1970."""
    content = f"{message_id}.{sent_at_s}.".encode() + body
    digests = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
