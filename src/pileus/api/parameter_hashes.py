"""Make the framework's descriptions of parameters quick to hash: importing this module does it.

Python hashes them for each annotation such as `FromPath[int]`. The framework copies all their fields for that, but
hashes only the names of the fields: all descriptions of a type have the same hash. So does this one.
"""

from litestar.params import BodyKwarg, ParameterKwarg


def hash_by_type(description: object) -> int:
    """Return the hash of all descriptions of a type."""
    return hash(type(description))


# The framework has no setting for it.
ParameterKwarg.__hash__ = hash_by_type  # type: ignore[assignment, method-assign]
BodyKwarg.__hash__ = hash_by_type  # type: ignore[assignment, method-assign]
