"""Who calls, as the trusted headers say."""

from uuid import UUID

import pytest

from server.domain.limits import ACTOR_LENGTH_MAX
from server.domain.restaurant import Caller
from server.errors import Reason, ServiceError
from server.rpc.identity import ACTOR_HEADER, SCOPES_HEADER, TENANT_HEADER, TrustedHeaders
from server.rpc.scopes import ALL_SCOPES

TENANT = "4f0c1b6a-8d1e-4c1b-9a53-0b8f3f1f7a10"


def test_the_headers_name_tenant_actor_and_scopes() -> None:
    caller = TrustedHeaders().resolve(
        [
            (TENANT_HEADER, TENANT.upper()),
            (ACTOR_HEADER, " Ada "),
            (SCOPES_HEADER, "read, write, ,"),
            # Others are nobody's business here, and may come twice.
            ("other", "x"),
            ("other", b"\xff"),
        ]
    )
    assert (caller.tenant_id, caller.actor) == (UUID(TENANT), "Ada")
    assert caller.scopes == {"read", "write"}


def test_the_longest_name_of_an_actor_is_taken_as_it_is() -> None:
    longest = "a" * ACTOR_LENGTH_MAX
    assert TrustedHeaders().resolve([(TENANT_HEADER, TENANT), (ACTOR_HEADER, longest)]).actor == longest


def test_a_caller_is_kept_unless_it_says_more_than_it_has_to() -> None:
    """Headers have 16 KiB, and thousands of callers are kept."""

    def resolved(scopes: str) -> Caller:
        longest = "a" * ACTOR_LENGTH_MAX
        return TrustedHeaders().resolve(
            [(TENANT_HEADER, TENANT), (ACTOR_HEADER, longest), (SCOPES_HEADER, scopes)]
        )

    every, again_and_again = ", ".join(ALL_SCOPES), "read," * 3_000
    assert resolved(every) is resolved(every)
    assert resolved(again_and_again) == resolved(again_and_again)
    assert resolved(again_and_again) is not resolved(again_and_again)


def test_without_a_scopes_header_every_scope_is_there_and_an_empty_one_gives_none() -> None:
    assert TrustedHeaders().resolve([(TENANT_HEADER, TENANT)]).scopes == ALL_SCOPES
    assert TrustedHeaders().resolve([(TENANT_HEADER, TENANT), (SCOPES_HEADER, "")]).scopes == frozenset()


def test_a_caller_without_a_name_is_unknown_and_may_name_every_scope() -> None:
    headers = [(TENANT_HEADER, TENANT), (ACTOR_HEADER, " "), (SCOPES_HEADER, ",".join(ALL_SCOPES))]
    caller = TrustedHeaders().resolve(headers)
    assert (caller.actor, caller.scopes) == ("unknown", ALL_SCOPES)


def test_a_name_that_is_no_ascii_is_taken_without_what_cannot_be_read() -> None:
    """gRPC hands over as bytes what is none."""
    caller = TrustedHeaders().resolve([(TENANT_HEADER, TENANT), (ACTOR_HEADER, b"Ren\xe9")])
    assert caller.actor == "Ren\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([], TENANT_HEADER),
        ([(TENANT_HEADER, "")], TENANT_HEADER),
        ([(TENANT_HEADER, "restaurant")], TENANT_HEADER),
        ([(TENANT_HEADER, TENANT.replace("-", ""))], TENANT_HEADER),
        ([(TENANT_HEADER, f"{{{TENANT}}}")], TENANT_HEADER),
        ([(TENANT_HEADER, TENANT), (TENANT_HEADER, TENANT)], TENANT_HEADER),
        ([(TENANT_HEADER, TENANT), (ACTOR_HEADER, "a" * 201)], ACTOR_HEADER),
        ([(TENANT_HEADER, TENANT), (ACTOR_HEADER, "a\tb")], ACTOR_HEADER),
        ([(TENANT_HEADER, TENANT), (SCOPES_HEADER, "read,root")], SCOPES_HEADER),
    ],
)
def test_a_bad_header_is_named(headers: list[tuple[str, str | bytes]], named: str) -> None:
    with pytest.raises(ServiceError) as raised:
        TrustedHeaders().resolve(headers)
    assert raised.value.reason is Reason.UNAUTHENTICATED
    assert raised.value.refusal.metadata == {"header": named}
    assert "restaurant" not in raised.value.refusal.message


def test_scopes_that_are_written_in_another_way_are_refused_with_how_to_write_them() -> None:
    with pytest.raises(ServiceError, match="parted by commas"):
        TrustedHeaders().resolve([(TENANT_HEADER, TENANT), (SCOPES_HEADER, "read write")])
