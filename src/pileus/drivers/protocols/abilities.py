"""What Protocols of optional abilities have in common: `isinstance` looks at each class of drivers once."""

from functools import cache
from typing import Any, Protocol


class AbilityMeta(type(Protocol)):  # type: ignore[misc]  # the class of Protocols has no public name
    """The metaclass of abilities. `isinstance` with a plain Protocol compares every method, each time."""

    def __instancecheck__(cls, driver: Any) -> bool:
        return _has_ability(type(driver), cls)  # type: ignore[arg-type]  # classes are hashable


@cache
def _has_ability(driver_class: type[Any], ability: type[Any]) -> bool:
    return issubclass(driver_class, ability)
