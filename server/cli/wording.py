"""How results are put into words."""


def counted(number: int, one: str, several: str = "") -> str:
    """`1 table`, `2 tables`; `several` is given where it is more than an s behind the word for one."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"
