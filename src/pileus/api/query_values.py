"""Lists in the query: the most values of one parameter, and ids separated by commas."""

from collections import Counter
from urllib.parse import unquote_plus

from pileus.domain import limits
from pileus.services.compute.instance_deletion import SelectedResourceIds


def check_query_values(query: bytes) -> None:
    """Raise Invalid if a parameter occurs too often."""
    if query.count(b"&") < limits.QUERY_VALUES.value:
        return
    for name, count in Counter(part.partition(b"=")[0] for part in query.split(b"&")).items():
        limits.check_count(unquote_plus(name.decode("latin-1")) or "query", count, limits.QUERY_VALUES.value)


def parse_comma_separated_ids(parameter: str, text: str | None) -> list[str]:
    """Read ids separated by commas, without duplicates. Raises Invalid if there are too many."""
    ids = list(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))
    limits.check_total(parameter, ids, limits.QUERY_VALUES)
    return ids


def parse_selected_ids(parameter: str, text: str | None, *, all_ids: bool = False) -> SelectedResourceIds:
    """Read the ids of resources to delete with an instance. Raises Invalid if there are too many."""
    return SelectedResourceIds(parameter=parameter, ids=parse_comma_separated_ids(parameter, text), all_ids=all_ids)
