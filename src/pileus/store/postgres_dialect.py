"""Statements are written for SQLite; this module translates them for PostgreSQL."""

import re
from functools import lru_cache
from typing import LiteralString

PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
FUNCTIONS = {"json_group_array(": "json_agg(", "json_array(": "json_build_array(", "COLLATE BINARY": 'COLLATE "C"'}


@lru_cache(maxsize=4096)
def translate_sql_to_psycopg(sql: str) -> LiteralString:
    """Translate `:name` parameters and SQLite's function names to psycopg's and PostgreSQL's."""
    for sqlite_name, name in FUNCTIONS.items():
        sql = sql.replace(sqlite_name, name)
    return PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
