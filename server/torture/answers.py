"""Answers that get lost after the server has given them: gRPC calls are reset one by one, within their connection."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

# RFC 9113, section 4.1: length in 24 bits, type, flags, stream.
HEAD: Final = Struct(">HBBBI")
PREFACE_BYTES: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
DATA, HEADERS, RST_STREAM = 0, 1, 3
END_STREAM, PADDED = 0x01, 0x08
# Code of RST_STREAM. Clients take it as a call that the other side has given up, so nobody knows what it did.
CANCEL: Final = 8
# gRPC puts a flag and a length before a message.
MESSAGE_HEAD_BYTES: Final = 5
# Every call that changes something begins with its request_id: field 1, a text of 36 bytes.
REQUEST_ID_HEAD: Final = b"\x0a\x24"
REQUEST_ID_END: Final = len(REQUEST_ID_HEAD) + 36


@dataclass(slots=True)
class LostAnswers:
    """What was answered and never arrived. `differing` are the request ids that were answered in two ways.

    `share` of the answers is lost, of those calls that carry a request_id first of all.
    """

    rng: random.Random
    digest: Callable[[bytes], str]
    share: float = 0.0
    lost: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)

    def loses(self) -> bool:
        return self.share > 0 and self.rng.random() < self.share

    def add(self, request_id: str, message: bytes) -> None:
        """An answer with a message, not a refusal, that the client will not see."""
        told = self.digest(message)
        if self.digests.setdefault(request_id, told) != told:
            self.differing.append(request_id)


class Frames:
    """Cuts the bytes of one direction into frames."""

    def __init__(self, skipped: int = 0) -> None:
        self._left = bytearray()
        self._skipped = skipped

    def of(self, data: bytes) -> "list[tuple[int, int, int, bytes]]":
        """Type, flags, stream and all the bytes of each frame that is complete now."""
        self._left += data
        if self._skipped:
            gone = min(self._skipped, len(self._left))
            del self._left[:gone]
            self._skipped -= gone
        found, start, end = [], 0, len(self._left)
        while end - start >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(self._left, start)
            following = start + HEAD.size + (high << 8 | low)
            if following > end:
                break
            found.append((kind, flags, stream, bytes(self._left[start:following])))
            start = following
        del self._left[:start]
        return found


class AnswerLoss:
    """The tampering of one HTTP/2 connection.

    An answer is lost by a reset of its stream just before its first headers. The headers still go on: they carry the
    state of the compression that the rest of the connection depends on, and the client skips what belongs to a stream
    that was reset.
    """

    def __init__(self, answers: LostAnswers) -> None:
        self._answers = answers
        self._up, self._down = Frames(PREFACE_BYTES), Frames()
        self._request_ids: dict[int, str] = {}
        self._lost: dict[int, bytearray] = {}

    def sent(self, data: bytes) -> None:
        for kind, flags, stream, frame in self._up.of(data):
            if kind == DATA and stream not in self._request_ids:
                begins = _payload(flags, frame)[MESSAGE_HEAD_BYTES : MESSAGE_HEAD_BYTES + REQUEST_ID_END]
                if begins.startswith(REQUEST_ID_HEAD) and len(begins) == REQUEST_ID_END:
                    self._request_ids[stream] = begins[len(REQUEST_ID_HEAD) :].decode(errors="replace")
            elif kind == RST_STREAM:
                # The client wants no answer any more, and half an answer is none.
                self._request_ids.pop(stream, None)
                self._lost.pop(stream, None)

    def answered(self, data: bytes) -> bytes:
        out = bytearray()
        for kind, flags, stream, frame in self._down.of(data):
            if kind == HEADERS and stream in self._request_ids and stream not in self._lost:
                if self._answers.loses():
                    self._answers.lost += 1
                    self._lost[stream] = bytearray()
                    out += HEAD.pack(0, 4, RST_STREAM, 0, stream) + CANCEL.to_bytes(4)
                else:
                    self._ended(stream)
            elif kind == DATA and stream in self._lost:
                self._lost[stream] += _payload(flags, frame)
            if kind == HEADERS and flags & END_STREAM:
                self._ended(stream)
            out += frame
        return bytes(out)

    def _ended(self, stream: int) -> None:
        request_id = self._request_ids.pop(stream, None)
        message = self._lost.pop(stream, None)
        if request_id is not None and message:
            self._answers.add(request_id, bytes(message[MESSAGE_HEAD_BYTES:]))


def _payload(flags: int, frame: bytes) -> bytes:
    payload = frame[HEAD.size :]
    return payload[1 : len(payload) - payload[0]] if flags & PADDED else payload
