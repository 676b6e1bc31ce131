"""perpscope: where leverage in crypto perpetual futures will break, and what was not seen.

Bytes come in at one end and walk straight through:
frame → decoder → event → state → strategy → risk → output.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import msgspec
    import pandas  # type: ignore[import-untyped]  # it has no types of its own

    from perpscope.facade import Perpscope

__version__ = "0.1.0"


def open(path: "str | os.PathLike[str] | None" = None) -> "Perpscope":
    """Open a store to read, analyse, clean up or back up; see `perpscope.facade.Perpscope`.

    Args:
        path: the file; None = the one the commands use.

    Raises:
        DataError: there is no such store ("store-missing").
        StoreError: it cannot be trusted or read.
    """
    from perpscope.facade import Perpscope  # noqa: PLC0415 -- `import perpscope` costs nothing

    return Perpscope.open(path)


def to_pandas(rows: "Sequence[msgspec.Struct]") -> "pandas.DataFrame":
    """Events, bins or other records of one kind as a DataFrame; see `perpscope.frames.to_pandas`.

    Raises:
        ConfigError: pandas is not installed ("extra-missing").
        ValueError: the rows are of several kinds.
    """
    from perpscope import frames  # noqa: PLC0415 -- `import perpscope` costs nothing

    return frames.to_pandas(rows)
