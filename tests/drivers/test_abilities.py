"""Abilities of drivers: `isinstance` looks at the methods of a class once, not at each request."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Protocol

import pytest

import pileus.drivers.protocols
from pileus.drivers.protocols.abilities import AbilityMeta
from pileus.drivers.protocols.compute import SupportsStart


class Starting:
    """Has the ability to start."""

    async def start(self) -> None:
        """Do nothing."""


def runtime_protocols() -> Iterator[type]:
    """Yield the protocols of drivers that `isinstance` accepts."""
    package = pileus.drivers.protocols
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type(Protocol)) and getattr(value, "_is_runtime_protocol", False):
                yield value


def test_every_ability_is_compared_once_for_a_class() -> None:
    protocols = set(runtime_protocols())

    assert SupportsStart in protocols
    assert [protocol for protocol in protocols if not isinstance(protocol, AbilityMeta)] == []


def test_a_second_comparison_looks_at_no_method(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: type, other: type) -> bool:
        raise AssertionError(f"The methods of {other} are compared again")

    assert isinstance(Starting(), SupportsStart)
    monkeypatch.setattr(AbilityMeta, "__subclasscheck__", refuse)

    assert isinstance(Starting(), SupportsStart)
