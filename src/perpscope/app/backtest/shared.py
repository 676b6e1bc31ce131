"""A material where every process of a pool finds it: its columns in files that are mapped, not copied.

In: a material and a folder. Out: the columns on disk, and a small rest that is sent along with each task. They are
mapped copy on write, so that compiled code takes them for what it was compiled for.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.app.backtest.material import Event, Material, Source, named
from perpscope.model.market import BookDelta, BookSnapshot, Gap
from perpscope.trading.tape import BOOK, CLEAR, GAP, LAST_LEVEL, LEVEL, Tables

#: By kind of row: the tables it has a row in.
_TABLES: Final = (
    ("candles", "opens"),
    ("trades",),
    ("books", "depths"),
    ("levels",),
    ("levels",),
    (),
    ("marks", "next_fundings"),
    ("fundings",),
    (),
    ("liquidations",),
    ("open_interests",),
    ("clusters",),
    ("forecasts", "forecasts_for"),
    ("gaps",),
)
#: What came before a part and has to be known at its begin.
_STANDING: Final = (BOOK, LEVEL, LAST_LEVEL, CLEAR, GAP)
#: Bytes of a file that is read and not mapped.
_SMALL: Final = 1 << 16
_ROWS: Final = ("kind", "ts_event", "ts_recv")


class Nowhere(msgspec.Struct, frozen=True):
    """A source that was left behind: compiled loops need none."""

    def events(self) -> Iterator[Event]:
        """None."""
        return iter(())


class Within(msgspec.Struct, frozen=True):
    """A part of a source, as `cut` cuts a tape."""

    whole: Source
    from_ns: int
    to_ns: int

    def events(self) -> Iterator[Event]:
        """Those received within it, and the books and gaps that lead up to it."""
        for event in self.whole.events():
            if event.ts_recv >= self.to_ns:
                return
            if event.ts_recv >= self.from_ns or isinstance(event, BookSnapshot | BookDelta | Gap):
                yield event


def left(material: Material, folder: Path) -> Material:
    """Write a material's columns into a folder; what remains of it is small.

    Raises:
        OSError: the disk does not take them.
    """
    tape = material.tape
    for name in _ROWS:
        np.save(folder / f"{name}.npy", getattr(tape, name))
    for name in Tables._fields:
        np.save(folder / f"{name}.npy", getattr(tape.tables, name))
    rows = {name: getattr(tape, name)[:0] for name in _ROWS}
    tables = {name: getattr(tape.tables, name)[:0] for name in Tables._fields}
    rest = msgspec.structs.replace(tape, **rows, tables=Tables(**tables))
    return msgspec.structs.replace(material, tape=rest, source=Nowhere())


def found(rest: Material, folder: Path) -> Material:
    """The material whose columns were left in a folder, mapped."""
    columns = _mapped(folder)
    rows = {name: columns[name] for name in _ROWS}
    tables = Tables(**{name: columns[name] for name in Tables._fields})
    return msgspec.structs.replace(rest, tape=msgspec.structs.replace(rest.tape, **rows, tables=tables))


@lru_cache(maxsize=1)
def _mapped(folder: Path) -> dict[str, NDArray[Any]]:
    return {name: _column(folder / f"{name}.npy") for name in (*_ROWS, *Tables._fields)}


def _column(path: Path) -> NDArray[Any]:
    array = np.load(path, mmap_mode="c") if path.stat().st_size > _SMALL else np.load(path)
    return np.asarray(array)


def cut(material: Material, from_ns: int, to_ns: int) -> Material:
    """The part of a material that was received within a time, `to_ns` not included; books before it still stand."""
    tape = material.tape
    is_within = (tape.ts_recv >= from_ns) & (tape.ts_recv < to_ns)
    is_kept = is_within | ((tape.ts_recv < from_ns) & np.isin(tape.kind, _STANDING))
    columns = {name: getattr(tape.tables, name) for name in Tables._fields}
    for name in columns:
        kinds = [kind for kind, names in enumerate(_TABLES) if name in names]
        columns[name] = columns[name][is_kept[np.isin(tape.kind, kinds)]]
    rows = {name: getattr(tape, name)[is_kept] for name in _ROWS}
    part = msgspec.structs.replace(tape, **rows, tables=Tables(**columns))
    return msgspec.structs.replace(
        material,
        tape=part,
        source=Within(material.source, from_ns, to_ns),
        from_ns=max(material.from_ns, from_ns),
        to_ns=min(material.to_ns, to_ns),
        data_hash=named(material.instrument, part),
    )
