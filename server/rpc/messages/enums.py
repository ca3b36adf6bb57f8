"""The house's words as the contract has them."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol, TypeVar

from google.protobuf.descriptor import EnumDescriptor

WordT = TypeVar("WordT", bound=Enum)
NumberT_co = TypeVar("NumberT_co", covariant=True)


class ContractEnum(Protocol[NumberT_co]):
    """An enum of the contract."""

    DESCRIPTOR: EnumDescriptor

    def Value(self, name: str) -> NumberT_co: ...  # noqa: N802  # the name that it has there


def numbers(words: type[WordT], contract: ContractEnum[NumberT_co]) -> Mapping[WordT, NumberT_co]:
    """The contract's value of each word, which is called as the word is, behind the prefix of its enum."""
    prefix = contract.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    return {word: contract.Value(prefix + word.name) for word in words}


def words_of(numbers: Mapping[WordT, int]) -> Mapping[int, WordT]:
    """The word for each of the contract's values."""
    return {number: word for word, number in numbers.items()}
