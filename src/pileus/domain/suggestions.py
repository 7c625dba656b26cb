"""Suggest names in the place of one that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches

MIN_SIMILARITY = 0.7
MAX_LISTED = 8
"""Longer lists do not belong into a sentence."""


def describe_similar_names(
    name: str, known_names: Iterable[str], *, count: int = 3, min_similarity: float = MIN_SIMILARITY
) -> str:
    """Return the end of a sentence, with the names that may be meant; an empty text if none is similar."""
    near = get_close_matches(name, sorted(known_names), n=count, cutoff=min_similarity)
    return f": did you mean {' or '.join(near)}?" if near else ""


def describe_known_names(name: str, known_names: Iterable[str], place: str) -> str:
    """Return the end of a sentence: the names that may be meant, or all if they are few, or the place of their list."""
    names = sorted(known_names)
    listed = f": use one of {', '.join(names)}" if len(names) <= MAX_LISTED else f": {place} lists them"
    return describe_similar_names(name, names) or listed
