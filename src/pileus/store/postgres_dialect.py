"""Statements are written for SQLite; this module translates them for PostgreSQL."""

from functools import lru_cache

from pileus.store.database import FOR_CHANGE, FOR_USE, SKIPPING_LOCKED
from pileus.store.statement_parameters import PARAMETER

REPLACEMENTS = {
    "json_group_array(": "json_agg(",
    "json_array(": "json_build_array(",
    "json_each(:ids) e": "json_array_elements_text(:ids) WITH ORDINALITY e (value, key)",
    "json_object(": "json_build_object(",
    "COLLATE BINARY": 'COLLATE "C"',
    FOR_USE: "FOR SHARE",
    FOR_CHANGE: "FOR UPDATE",
    SKIPPING_LOCKED: "FOR UPDATE SKIP LOCKED",
}
"""Row locks are comments for SQLite, whose only writer needs none."""


@lru_cache(maxsize=4096)
def translate_sql_to_postgres(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Translate `:name` parameters, SQLite's function names and row locks; return the names of `$1`, `$2` and so on."""
    for text, replacement in REPLACEMENTS.items():
        sql = sql.replace(text, replacement)
    numbers: dict[str, int] = {}
    for name in PARAMETER.findall(sql):
        numbers.setdefault(name, len(numbers) + 1)
    return PARAMETER.sub(lambda match: f"${numbers[match[1]]}", sql).encode(), tuple(numbers)
