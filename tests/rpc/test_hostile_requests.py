"""A short form of `python -m tests.rpc.hostile_requests`."""

from tests.rpc.hostile_requests import GROWTH_MIB_MAX, besiege

REQUESTS, SEED = 800, 7
KINDS = 12


async def test_whatever_is_sent_is_answered_in_typed_words_and_leaves_nothing_in_memory(
    database_url: str,
) -> None:
    answers, grown_mib = await besiege(database_url, REQUESTS, SEED)
    assert answers.wrong == []
    assert answers.counted.total() == REQUESTS
    assert len(answers.counted) >= KINDS
    assert grown_mib <= GROWTH_MIB_MAX
