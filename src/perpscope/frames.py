"""Rows of any kind as a pandas DataFrame, for aggregation and pictures of one's own."""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from perpscope.errors import ConfigError

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # it has no types of its own


def to_pandas(rows: Sequence[msgspec.Struct]) -> "pandas.DataFrame":
    """A DataFrame with a column for each field, in the order of the rows.

    `ts_…` fields (ns UTC) and `…_ms` fields become UTC timestamps under the same names, enumerations their words, and
    a record within a record columns of its own: `lpi.value`. What is unknown is missing (NaN, NaT or None), never 0.

    Args:
        rows: events, bins, hours or other records, all of one kind.

    Raises:
        ConfigError: pandas is not installed ("extra-missing").
        ValueError: the rows are of several kinds.

    >>> from perpscope.model.stream import Channel
    >>> from perpscope.stores.status import FeedState, FeedStatus
    >>> to_pandas([FeedStatus("okx", Channel.TRADES, FeedState.LIVE, 10**18, 5, 0)]).ts_last[0]
    Timestamp('2001-09-09 01:46:40+0000', tz='UTC')
    """
    try:
        import pandas  # noqa: PLC0415 -- a tool of the user's own, asked for by this call alone
    except ImportError as error:
        raise ConfigError(
            "extra-missing", "a DataFrame needs pandas, which is not installed", hint="pip install pandas"
        ) from error
    if len(kinds := {type(row) for row in rows}) > 1:
        raise ValueError(f"rows of one kind are expected, these are {', '.join(sorted(k.__name__ for k in kinds))}")
    frame = pandas.DataFrame([_flat(row) for row in rows])
    for column in frame.columns:
        name = str(column).rpartition(".")[2]
        if name.startswith("ts_") or name.endswith("_ms"):
            unit = "ms" if name.endswith("_ms") else "ns"
            frame[column] = pandas.to_datetime(frame[column].astype("Int64"), unit=unit, utc=True)
    return frame


def _flat(row: msgspec.Struct, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, msgspec.Struct):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value.value if isinstance(value, Enum) else value
    return found
