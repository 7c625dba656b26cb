"""Suggestions for mistyped commands, options and names."""

from collections.abc import Iterable
from difflib import get_close_matches

SYNONYMS = {
    "add": ("create", "attach"), "describe": ("show",), "get": ("show", "list"), "info": ("show",), "ls": ("list",),
    "new": ("create",), "remove": ("delete",), "rm": ("delete",), "set": ("update",), "edit": ("update",),
    "vm": ("instances",), "server": ("instances",), "servers": ("instances",), "disk": ("volumes",),
}  # fmt: skip
"""Words of other command lines."""


def suggest_names(word: str, names: Iterable[str]) -> list[str]:
    """Return the names that a mistyped word may mean, the most similar first."""
    candidates = list(names)
    matches = get_close_matches(word, candidates, n=3, cutoff=0.6)
    return matches or [synonym for synonym in SYNONYMS.get(word, ()) if synonym in candidates]


def suggest_text(word: str, names: Iterable[str]) -> str:
    """Return a sentence with the names that a mistyped word may mean, or an empty text."""
    matches = suggest_names(word, names)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""
