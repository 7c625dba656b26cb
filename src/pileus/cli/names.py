"""Names in the place of ids: of what a command is about, in its options, and within what those describe."""

import re
from typing import Any

from pileus.cli.formatting import Mistake
from pileus.cli.nouns import NOUNS, Noun
from pileus.cli.session import Session

IDENTITY = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FREE = frozenset({"tags", "metadata"})
"""Fields whose keys are users' own words."""


def resolve_names(session: Session, noun: Noun, parameter: str, given: Any) -> Any:
    """What was given for a parameter of a noun's command, with ids for names; raises Mistake."""
    if parameter in FREE:
        return given
    if isinstance(given, dict):
        return {key: resolve_names(session, noun, key, value) for key, value in given.items()}
    if isinstance(given, list):
        return [resolve_names(session, noun, parameter.removesuffix("s"), each) for each in given]
    meant = noun_of_parameter(noun, parameter)
    return id_from_name(session, meant, given) if meant and isinstance(given, str) else given


def id_from_name(session: Session, noun: Noun, given: str) -> Any:
    """The id of what was given: an id, or the name of exactly one thing; raises Mistake."""
    if IDENTITY.fullmatch(given):
        return given
    things = session.every(f"{noun.path}.list")
    found = [thing for thing in things if getattr(thing, "name", None) == given]
    if len(found) == 1:
        return identity(noun, found[0])
    if found:
        ids = ", ".join(str(identity(noun, thing)) for thing in found)
        raise Mistake(f"{len(found)} things are called {given}: say which by its id: {ids}")
    raise Mistake(f"nothing is called {given}: `pileus {noun.word} list` shows what there is")


def identity(noun: Noun, thing: Any) -> Any:
    """What a thing calls its own id."""
    return getattr(thing, noun.key)


def noun_of_parameter(noun: Noun, parameter: str) -> Noun | None:
    """The noun that a parameter has an id of: the command's own, that which it is a part of, or the only one."""
    if parameter == noun.identity:
        return noun
    found = [each for each in NOUNS.values() if each.identity == parameter and "name" in each.columns]
    around = [each for each in found if noun.path.startswith(f"{each.path}.")]
    return next(iter(around or (found if len(found) == 1 else ())), None)
