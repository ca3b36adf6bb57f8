"""Texts cut to a length."""


def shortened(text: str, length_max: int | None) -> str:
    """The text, cut if it is too long: between two items where it is a list."""
    if length_max is None or len(text) <= length_max:
        return text
    cut = text[: length_max - 1]
    return (cut[: cut.rindex(",") + 1] if "," in cut else cut) + "…"
