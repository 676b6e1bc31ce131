"""DuckDB over an archive's files: nothing outside the folder, nothing written, memory and threads bounded.

Settings as of DuckDB 1.4 (duckdb.org/docs, "Securing DuckDB"): `allowed_directories` before `enable_external_access`
is turned off, then the configuration is locked. A list of files goes into SQL as a literal; its names are our own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from perpscope.stores.archive.files import Entry
from perpscope.stores.archive.tables import Table

THREADS: Final = 2  #: chosen by hand: a collector runs beside
MEMORY: Final = "1GB"


def connect(*folders: Path, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory that can read these folders.

    Args:
        folders: archives.
        spill: folder that large sorts may use; None = memory only.
    """
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY, "preserve_insertion_order": False})
    connection.execute("SET parquet_metadata_cache = true")  # files are never written over
    connection.execute("SET TimeZone = 'UTC'")
    if spill is not None:
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
    allowed = [*folders, *([spill] if spill is not None else [])]
    connection.execute(f"SET allowed_directories = [{', '.join(literal(str(path.absolute())) for path in allowed)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def relation(root: Path, entries: Sequence[Entry], table: Table) -> str:
    """SQL for the rows of these files; without files, a table without rows."""
    if entries:
        names = ", ".join(literal(str((root / entry.path).absolute())) for entry in entries)
        return f"read_parquet([{names}], hive_partitioning = false)"
    types = {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN"}
    columns = [f"NULL::{types.get(str(field.type), 'DOUBLE[]')} AS {field.name}" for field in table.schema]
    return f"(SELECT {', '.join(columns)} WHERE false)"


def literal(text: str) -> str:
    """A string of SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
