"""A caller that reads nothing of what it asked to be told: its side of the connection never has room."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from google.protobuf.message import Message

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
# How many bytes of a stream the other side may send at first.
INITIAL_WINDOW = 4


@asynccontextmanager
async def unread(
    address: str, path: str, request: Message, headers: Sequence[tuple[str, str]] = ()
) -> AsyncIterator[None]:
    """Calls a method of the server. The block begins when the server has begun to answer."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    told = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", address))
    grpc = (("content-type", "application/grpc"), ("te", "trailers"), *headers)
    message = request.SerializeToString()
    writer.write(PREFACE + _frame(SETTINGS, 0, 0, INITIAL_WINDOW.to_bytes(2) + (0).to_bytes(4)))
    writer.write(_frame(HEADERS, END_HEADERS, 1, b"".join(_literal(*each) for each in (*told, *grpc))))
    writer.write(_frame(DATA, END_STREAM, 1, b"\0" + len(message).to_bytes(4) + message))
    try:
        kind = SETTINGS
        while kind != HEADERS:
            head = await reader.readexactly(9)
            kind = head[3]
            await reader.readexactly(int.from_bytes(head[:3]))
        yield
    finally:
        writer.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def _literal(name: str, value: str) -> bytes:
    """A header that is spelled out."""
    return b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
