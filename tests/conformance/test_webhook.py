"""What a webhook's receiver gets to see, and how its answers are understood."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from server.outbox.ports import RetryLater, Undeliverable
from server.outbox.sinks.signature import read_secret, signed_headers
from server.outbox.sinks.webhook import (
    ANSWER_BYTES_MAX,
    RETRY_AFTER_S_MAX,
    NotAcceptedError,
    WebhookSettings,
    WebhookSink,
)
from tests.builders.events import on_its_way
from tests.conformance.receivers import SECRET
from tests.support.webhook_receiver import Answer, Posted, WebhookReceiver, receiving_webhooks

OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of the tests").decode()


@dataclass(frozen=True, slots=True)
class Hooked:
    """A sink, whose clock stands still at the second in which the test began, and the server it posts to."""

    sink: WebhookSink
    server: WebhookReceiver
    now: datetime


@pytest.fixture
async def hooked() -> AsyncIterator[Hooked]:
    async with receiving_webhooks() as server:
        # By name: of a mere address, no cookie would be kept anyway.
        url = f"http://localhost:{server.port}/events"
        keys = read_secret(SECRET), read_secret(OTHER_SECRET)
        now = datetime.now(UTC).replace(microsecond=0)
        sink = WebhookSink(WebhookSettings(url, keys, 20.0, 20.0, 4), now.timestamp)
        await sink.open()
        yield Hooked(sink, server, now)
        await sink.close()


# Signed


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
async def test_the_receiver_can_verify_with_any_of_the_secrets(hooked: Hooked, secret: str) -> None:
    event = on_its_way()
    await hooked.sink.deliver(event)
    (posted,) = hooked.server.posted
    told = Webhook(secret).verify(posted.body, dict(posted.headers))
    assert told["id"] == posted.headers["webhook-id"] == str(event.event_id)
    assert posted.headers["content-type"] == "application/cloudevents+json"


async def test_what_was_tampered_with_or_recorded_is_found_out(hooked: Hooked) -> None:
    await hooked.sink.deliver(on_its_way())
    (posted,) = hooked.server.posted
    headers, receiver, now = dict(posted.headers), Webhook(SECRET), int(hooked.now.timestamp())
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        receiver.verify(posted.body.replace(b"capacity", b"capucity"), headers)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        receiver.verify(posted.body, {**headers, "webhook-timestamp": str(now + 1)})
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook("whsec_" + base64.b64encode(b"x" * 24).decode()).verify(posted.body, headers)
    old = signed_headers([read_secret(SECRET)], "1", now - 600, posted.body)
    with pytest.raises(WebhookVerificationError, match="too old"):
        receiver.verify(posted.body, old)


def test_a_signature_is_that_of_the_published_example() -> None:
    """The vector of the Standard Webhooks libraries."""
    key = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = signed_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert told["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def secret_of(length: int) -> str:
    return "whsec_" + base64.b64encode(b"x" * length).decode()


@pytest.mark.parametrize("length", [24, 64])
def test_a_secret_has_from_24_to_64_bytes(length: int) -> None:
    assert read_secret(secret_of(length)) == b"x" * length


@pytest.mark.parametrize(
    "secret",
    [
        *("", "whsec_", "whsec_%%%", SECRET.removeprefix("whsec_"), SECRET.replace("dG", "dG%")),
        *(secret_of(23), secret_of(65)),
    ],
)
def test_a_secret_that_is_none_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ValueError, match="a secret is whsec_ and base64") as problem:
        read_secret(secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(problem.value)


# Answered


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_success_is_received(hooked: Hooked, status: int) -> None:
    hooked.server.answers = [Answer(status)]
    await hooked.sink.deliver(on_its_way())
    assert len(hooked.server.posted) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_what_may_succeed_later_is_tried_again(hooked: Hooked, status: int) -> None:
    hooked.server.answers = [Answer(status)]
    with pytest.raises(NotAcceptedError, match=f"the receiver answered {status}"):
        await hooked.sink.deliver(on_its_way())


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 499])
async def test_what_no_repeat_would_cure_is_final(hooked: Hooked, status: int) -> None:
    hooked.server.answers = [Answer(status, {"retry-after": "1"})]
    with pytest.raises(Undeliverable, match=f"the receiver answered {status}"):
        await hooked.sink.deliver(on_its_way())


@pytest.mark.parametrize(("ahead_s", "final"), [(-301, False), (-300, True), (300, True), (301, False)])
async def test_what_is_refused_by_another_clock_is_tried_again(
    hooked: Hooked, ahead_s: int, *, final: bool
) -> None:
    date = format_datetime(hooked.now + timedelta(seconds=ahead_s), usegmt=True)
    hooked.server.answers = [Answer(401, {"date": date})]
    expected = Undeliverable if final else NotAcceptedError
    with pytest.raises(expected, match="the receiver answered 401") as refused:
        await hooked.sink.deliver(on_its_way())
    assert (f"its clock is {ahead_s:+d} s from ours" in str(refused.value)) is not final


@pytest.mark.parametrize("date", ["", "lately", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
async def test_what_is_refused_by_a_clock_that_says_nothing_is_final(hooked: Hooked, date: str) -> None:
    hooked.server.answers = [Answer(401, {"date": date})]
    with pytest.raises(Undeliverable, match="the receiver answered 401"):
        await hooked.sink.deliver(on_its_way())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_final_and_not_followed(hooked: Hooked, status: int) -> None:
    hooked.server.answers = [Answer(status, {"location": f"http://127.0.0.1:{hooked.server.port}/elsewhere"})]
    with pytest.raises(Undeliverable, match=f"the receiver answered {status}"):
        await hooked.sink.deliver(on_its_way())
    assert hooked.server.elsewhere == []


@pytest.mark.parametrize("status", [408, 429, 503])
@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("999999999", RETRY_AFTER_S_MAX),
        (timedelta(seconds=90), 90.0),
        (timedelta(days=-1), 0.0),
        (timedelta(days=9), RETRY_AFTER_S_MAX),
    ],
    ids=["seconds", "none", "too many seconds", "a date", "a date that is over", "a date far away"],
)
async def test_the_receiver_says_how_long_to_leave_it_alone(
    hooked: Hooked, status: int, retry_after: str | timedelta, wait_s: float
) -> None:
    """In seconds, or as the date that is so far from now."""
    if isinstance(retry_after, timedelta):
        retry_after = format_datetime(hooked.now + retry_after, usegmt=True)
    hooked.server.answers = [Answer(status, {"retry-after": retry_after})]
    with pytest.raises(RetryLater) as wish:
        await hooked.sink.deliver(on_its_way())
    assert wish.value.after_s == wait_s


async def test_a_date_of_another_zone_is_read_as_such(hooked: Hooked) -> None:
    there = (hooked.now + timedelta(seconds=90)).astimezone(timezone(timedelta(hours=2)))
    hooked.server.answers = [Answer(503, {"retry-after": format_datetime(there)})]
    with pytest.raises(RetryLater) as wish:
        await hooked.sink.deliver(on_its_way())
    assert wish.value.after_s == 90.0


async def test_a_date_without_a_zone_is_read_in_utc_wherever_the_worker_runs(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is meant where it ends with -0000, as mail writes it and some servers do."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        date = format_datetime((hooked.now + timedelta(seconds=90)).replace(tzinfo=None))
        hooked.server.answers = [Answer(503, {"retry-after": date})]
        with pytest.raises(RetryLater) as wish:
            await hooked.sink.deliver(on_its_way())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (date[-5:], wish.value.after_s) == ("-0000", 90.0)


@pytest.mark.parametrize("retry_after", ["", "soon", "-1", "1.5", "²", "Wed, 99 Foo 2031"])
async def test_a_wait_that_says_nothing_leaves_it_to_the_usual_one(hooked: Hooked, retry_after: str) -> None:
    hooked.server.answers = [Answer(503, {"retry-after": retry_after})]
    with pytest.raises(NotAcceptedError):
        await hooked.sink.deliver(on_its_way())


# Connected


async def test_a_connection_is_used_again_whatever_the_answer_was(hooked: Hooked) -> None:
    hooked.server.answers = [Answer(200, body=b"thank you"), Answer(503, body=b"x" * ANSWER_BYTES_MAX)]
    await hooked.sink.deliver(on_its_way())
    with pytest.raises(NotAcceptedError):
        await hooked.sink.deliver(on_its_way())
    await hooked.sink.deliver(on_its_way())
    assert len({id(posted.connection) for posted in hooked.server.posted}) == 1


async def test_waiting_for_a_connection_that_others_use_is_not_making_one() -> None:
    """However little time making one may take."""
    one_came, may_answer = asyncio.Event(), asyncio.Event()
    async with receiving_webhooks() as server:

        async def answer_later(_: Posted) -> None:
            one_came.set()
            await may_answer.wait()

        url = f"http://127.0.0.1:{server.port}/events"
        sink = WebhookSink(WebhookSettings(url, (read_secret(SECRET),), 20.0, 1.0, 1))
        await sink.open()
        # On a busy machine making the one that both use takes longer than it may.
        while not server.posted:
            with suppress(TimeoutError):
                await sink.deliver(on_its_way())
        server.on_post = answer_later
        both = [asyncio.create_task(sink.deliver(on_its_way())) for _ in range(2)]
        await one_came.wait()
        done, _ = await asyncio.wait(both, timeout=1.2)
        assert done == set()
        may_answer.set()
        await asyncio.gather(*both)
        await sink.close()


async def test_an_answer_without_end_is_not_read_to_its_end(hooked: Hooked) -> None:
    hooked.server.answers = [Answer(200, body=b"x" * (ANSWER_BYTES_MAX * 50))]
    await hooked.sink.deliver(on_its_way())
    await hooked.sink.deliver(on_its_way())
    first, second = hooked.server.posted
    assert first.connection is not second.connection


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_an_answer_need_not_be_unpacked(hooked: Hooked, coding: str) -> None:
    hooked.server.answers = [Answer(200, {"content-encoding": coding}, b"not packed at all")]
    await hooked.sink.deliver(on_its_way())
    assert len(hooked.server.posted) == 1


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
)
async def test_what_does_not_answer_as_http_is_told_without_the_address(answer: bytes) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        failure = await failure_at(f"http://name:sesame@127.0.0.1:{port_of(server)}/sesame?key=sesame")
    assert isinstance(failure, NotAcceptedError)
    assert "is not HTTP: " in str(failure)
    assert "sesame" not in str(failure)


async def test_one_with_whom_no_connection_is_made_is_told_without_the_address() -> None:
    """It says nothing where it should begin to encrypt."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        failure = await failure_at(f"https://name:sesame@127.0.0.1:{port_of(server)}/sesame?key=sesame", 0.1)
    assert isinstance(failure, TimeoutError)
    assert str(failure) == "no connection to the receiver in time"


async def test_an_address_that_leads_nowhere_is_not_told() -> None:
    failure = await failure_at("https://hooks\\example/sesame?key=sesame")
    assert isinstance(failure, NotAcceptedError)
    assert "sesame" not in str(failure)


async def failure_at(url: str, connect_timeout_s: float = 20.0) -> BaseException:
    """What is said of an event that does not arrive there."""
    sink = WebhookSink(WebhookSettings(url, (read_secret(SECRET),), 20.0, connect_timeout_s, 1))
    await sink.open()
    (failure,) = await asyncio.gather(sink.deliver(on_its_way()), return_exceptions=True)
    await sink.close()
    assert failure is not None, "it arrived"
    return failure


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def test_a_cookie_is_not_sent_back(hooked: Hooked) -> None:
    hooked.server.answers = [Answer(204, {"set-cookie": "who=you"})]
    await hooked.sink.deliver(on_its_way())
    await hooked.sink.deliver(on_its_way())
    assert "cookie" not in hooked.server.posted[1].headers


async def test_the_body_says_the_event(hooked: Hooked) -> None:
    event = on_its_way()
    await hooked.sink.deliver(event)
    assert json.loads(hooked.server.posted[0].body)["data"] == event.payload
