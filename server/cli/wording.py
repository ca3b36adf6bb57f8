"""How results are put into words."""

from maitred_client.values import EnumKind, enum_word


def told(kind: EnumKind, number: int) -> str:
    """An enum's value as people write it."""
    return enum_word(kind, number).lower().replace("_", " ")


def counted(number: int, one: str, several: str = "") -> str:
    """`1 table`, `2 tables`; `several` is given where it is more than an s behind the word for one."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"
