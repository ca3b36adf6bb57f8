"""The server's own counts beside those of the callers: what agrees, what differs, and what nobody can know."""

import asyncio
import re
from collections import Counter

import pytest

from loadgen.counters import NotReadError, compare, compare_settled, parse_counts, read_counts

SHOWN = """# HELP rpc_server_call_duration_seconds How long a call took.
# TYPE rpc_server_call_duration_seconds histogram
rpc_server_call_duration_seconds_bucket{le="0.001",reason="",rpc_method="maitred.v1.AssignmentService/HoldTables"} 1.0
rpc_server_call_duration_seconds_count{reason="",rpc_method="maitred.v1.AssignmentService/HoldTables",rpc_response_status_code="OK",rpc_system_name="grpc"} 12.0
rpc_server_call_duration_seconds_count{reason="TABLE_CONFLICT_HELD",rpc_method="maitred.v1.AssignmentService/HoldTables",rpc_response_status_code="ABORTED",rpc_system_name="grpc"} 1e+03
maitred_server_in_work{kind="call"} 3.0
"""  # noqa: E501 as Prometheus has it

OK, HELD = ("HoldTables", "OK", ""), ("HoldTables", "ABORTED", "TABLE_CONFLICT_HELD")
LOST = ("HoldTables", "DEADLINE_EXCEEDED", "")


def test_counts_are_read_by_method_status_and_reason() -> None:
    assert parse_counts(SHOWN) == {OK: 12, HELD: 1_000}


def test_equal_counts_agree_whatever_was_counted_before() -> None:
    found = compare({OK: 5, HELD: 2}, before={OK: 100}, after={OK: 105, HELD: 2, ("GetHold", "OK", ""): 9})
    assert found.agrees
    assert (found.compared, found.unsure) == (7, 0)


@pytest.mark.parametrize("server", [{OK: 4, HELD: 3}, {OK: 5, HELD: 1}, {OK: 6, HELD: 2}])
def test_a_single_call_that_one_side_alone_has_counted_is_a_difference(
    server: dict[tuple[str, str, str], int],
) -> None:
    assert not compare({OK: 5, HELD: 2}, Counter(), server).agrees


def test_a_call_that_lost_its_answer_may_have_been_counted_or_not() -> None:
    replies = {OK: 5, LOST: 2}
    for server in ({OK: 5}, {OK: 7}, {OK: 6, HELD: 1}, {OK: 5, ("HoldTables", "CANCELLED", ""): 2}):
        assert compare(replies, Counter(), server).agrees, server
    assert not compare(replies, Counter(), {OK: 8}).agrees
    assert not compare(replies, Counter(), {OK: 4, HELD: 2}).agrees


def test_a_lost_answer_explains_nothing_about_another_method() -> None:
    other = ("ConfirmHold", "OK", "")
    assert not compare({OK: 5, LOST: 1, other: 1}, Counter(), {OK: 5, other: 2}).agrees


async def test_a_call_that_the_server_counts_a_moment_after_its_answer_is_no_difference() -> None:
    shown = [{OK: 5, HELD: 1}, {OK: 5, HELD: 2}, {OK: 5, HELD: 9}]

    async def read() -> dict[tuple[str, str, str], int]:
        return shown.pop(0)

    assert (await compare_settled({OK: 5, HELD: 2}, Counter(), read)).agrees
    assert not (await compare_settled({OK: 5, HELD: 2}, Counter(), read)).agrees
    assert not shown


async def test_an_address_that_shows_nothing_is_named() -> None:
    with pytest.raises(NotReadError, match=r"127\.0\.0\.1:9/metrics"):
        await read_counts(["http://127.0.0.1:9/metrics"])
    with pytest.raises(NotReadError, match="over http"):
        await read_counts(["file:///etc/hostname"])
    for mistyped in ("http://127.0.0.1:x/metrics", "http://[::1/metrics", "http://a..b/metrics"):
        with pytest.raises(NotReadError, match=re.escape(mistyped)):
            await read_counts([mistyped])


async def test_the_port_at_which_a_server_takes_calls_shows_no_counts() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        # The settings of HTTP/2.
        writer.write(bytes((0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 8, 0)))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotReadError, match="BadStatusLine") as raised:
            await read_counts([f"http://127.0.0.1:{port}/metrics"])
    assert str(raised.value).isprintable()
