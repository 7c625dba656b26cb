"""Rules for names, checked on the syntax tree. Each rule has a list of exceptions, which may only shrink."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.test_rooms import CODE, FUNCTIONS, MODULES, name_of, named, nodes_of, tree_of

PARTICIPLE = re.compile(r"(?:[^e]ed|[^rths]ing)$")
# Words that only look like participles.
NOUNS_AND_VERBS = {"embed", "feed", "need", "ping", "seed", "speed", "string"}
GERUND = re.compile(r"(?:^|_)([a-z]+ing)$")
NOUNS = {"metering", "paging", "routing", "logging", "testing", "pricing", "wiring"}
VAGUE = {"each", "found", "held", "its", "made", "one", "shown", "there", "told", "wanted", "what"}

ACTING_PARTICIPLES: set[str] = set()
VAGUE_LOCALS: set[str] = set()
DEFINED_TWICE = {
    # Entry points of programs.
    "main",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_participle(name: str) -> bool:
    """Return whether the first word of a name is a participle."""
    first = name.strip("_").partition("_")[0]
    return bool(PARTICIPLE.search(first)) and first not in NOUNS_AND_VERBS


def is_fixture(function: Function) -> bool:
    return any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list)


def acting_participles() -> set[str]:
    """Find async functions and functions without a result that are named by a participle."""
    return {
        f"{named(path)} {node.name}"
        for path in CODE
        for node in nodes_of(path)
        if isinstance(node, FUNCTIONS) and is_participle(node.name) and not is_fixture(node) and acts(node)
    }


def acts(function: Function) -> bool:
    """Return whether a function is async or returns nothing."""
    returns = function.returns
    return isinstance(function, ast.AsyncFunctionDef) or (isinstance(returns, ast.Constant) and returns.value is None)


def vague_locals() -> set[str]:
    """Find parameters and local variables whose names do not say what they hold."""
    return {
        f"{named(path)} {name}"
        for path in CODE
        for function in nodes_of(path)
        if isinstance(function, FUNCTIONS)
        for name in VAGUE.intersection(local_names(function))
    }


def local_names(function: Function) -> Iterator[str]:
    """Yield the names of parameters and variables, also of those in comprehensions and lambdas."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def defined_twice() -> set[str]:
    """Find public functions and classes that several modules define.

    The modules of the store share the names `get`, `find`, `add` and so on; handlers are named by their operation.
    """
    modules: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        module = name_of(path)
        for node in [] if module.startswith("store.") else tree_of(path).body:
            if isinstance(node, ast.ClassDef | Function) and not is_exempt(module, node):
                modules[node.name].add(module)
    return {name for name, definitions in modules.items() if len(definitions) > 1}


def is_exempt(module: str, node: ast.ClassDef | Function) -> bool:
    is_handler = module.startswith("api.routes.") and isinstance(node, FUNCTIONS) and bool(node.decorator_list)
    return node.name.startswith(("_", "test_")) or is_handler


def test_a_function_named_by_a_participle_is_pure() -> None:
    assert acting_participles() == ACTING_PARTICIPLES


def test_no_module_is_named_by_a_gerund() -> None:
    gerunds = {named(path): match[1] for path in CODE if (match := GERUND.search(path.stem))}

    assert {path for path, word in gerunds.items() if word not in NOUNS} == set()


def test_local_names_say_what_they_hold() -> None:
    assert vague_locals() == VAGUE_LOCALS


def test_a_public_name_is_defined_once() -> None:
    assert defined_twice() == DEFINED_TWICE
