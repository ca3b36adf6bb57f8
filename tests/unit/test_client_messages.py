"""The module that gathers the contract's messages has all of them."""

from maitred_client import messages
from tests.unit.test_client_surface import contract_files


def test_every_message_and_enum_of_the_contract_is_there() -> None:
    words = {
        name for file in contract_files() for name in (*file.message_types_by_name, *file.enum_types_by_name)
    }
    assert words
    assert words - set(messages.__all__) == set()
    assert all(hasattr(messages, name) for name in messages.__all__)
