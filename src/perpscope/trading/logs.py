"""Room for what a run writes down, and how it comes there.

In: how many rows, and rings of a desk. Out: logs. Memory that nobody looks at any more is kept for the next run of the
process: to have it from the system anew, emptied, takes a tenth of a run over a million candles.
"""

import weakref
from typing import Any, Final, TypeAlias, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped,unused-ignore]  # it ships no types
from numba.core import cgutils, types  # type: ignore[import-untyped,unused-ignore]  # nor does numba
from numba.extending import intrinsic  # type: ignore[import-untyped,unused-ignore]  # as above
from numpy.typing import NDArray

from perpscope.trading.compiling import IS_COMPILED, inner, named

Log: TypeAlias = NDArray[np.void]
Bytes: TypeAlias = NDArray[np.uint8]
#: Of numba and of the values it handles: it ships no types.
_Any: TypeAlias = Any

#: Bytes of all logs of a run; what is larger goes back to the system. A million candles stay below it.
MOST_KEPT: Final = 1 << 26
#: The largest that is there: one, or none.
_kept: list[Bytes] = []


class _Lent:
    """Memory that arrays show; numpy keeps this as long as there is one that does."""

    def __init__(self, memory: Bytes) -> None:
        self.__array_interface__ = memory.__array_interface__


def rooms(*wanted: "tuple[np.dtype[np.void], int]") -> list[Log]:
    """Empty logs, one of each kind of row, with so many rows each."""
    sizes = [rows * dtype.itemsize for dtype, rows in wanted]
    try:
        memory = _kept.pop()
    except IndexError:
        memory = np.empty(0, np.uint8)
    if memory.size < sum(sizes):
        memory = np.empty(sum(sizes), np.uint8)
    lent = _Lent(memory)
    weakref.finalize(lent, _keep, memory).atexit = False
    logs, start, everything = [], 0, np.asarray(lent)
    for (dtype, _), size in zip(wanted, sizes, strict=True):
        logs.append(everything[start : start + size].view(named(dtype)))
        start += size
    return logs


def roomier(log: Log, used: int) -> Log:
    """A log of twice the rows, that begins with those used of this one."""
    longer = np.empty(2 * log.size, log.dtype)
    longer.view(np.int64)[: used * log.itemsize // 8] = log.view(np.int64)[: used * log.itemsize // 8]
    return longer


def _keep(memory: Bytes) -> None:
    """Have memory for the next run, unless there is more already."""
    if memory.size <= MOST_KEPT and memory.size > max((there.size for there in _kept), default=0):
        _kept[:] = [memory]


@inner
def told(ring: Log, kept: int, seen: int, newest: int, log: Log, to: int) -> int:
    """Add to a log what came into a ring since `seen` rows had; rows it has then.

    Args:
        ring: of a desk.
        kept: rows of it.
        seen: how many rows were written down.
        newest: how many rows there were.
        log: with room for them.
        to: rows it has.
    """
    start, rows = seen % kept, newest - seen
    first = min(rows, kept - start)
    _copied(log, to, ring, start, first)
    if first < rows:
        _copied(log, to + first, ring, 0, rows - first)
    return to + rows


def _copy(log: Log, to: int, ring: Log, start: int, rows: int) -> None:
    """Copy rows of a ring that stand side by side."""
    log[to : to + rows] = ring[start : start + rows]


@intrinsic
def _copy_at_once(_typing: _Any, log: _Any, _to: _Any, ring: _Any, _start: _Any, _rows: _Any) -> _Any:
    """`_copy`: numba itself would go row by row, and call for each."""

    def code(context: _Any, builder: _Any, signature: _Any, values: _Any) -> _Any:
        places = []
        for kind, array, row in zip(signature.args[:4:2], values[:4:2], values[1:4:2], strict=True):
            data = builder.bitcast(context.make_array(kind)(context, builder, array).data, cgutils.voidptr_t)
            places.append(builder.gep(data, [builder.mul(row, ir.Constant(row.type, kind.dtype.size))]))
        there, here = places
        cgutils.raw_memcpy(builder, there, here, values[4], log.dtype.size)  # type: ignore[no-untyped-call,unused-ignore]

    return types.void(log, types.int64, ring, types.int64, types.int64), code


_copied = cast("Any", _copy_at_once if IS_COMPILED else _copy)
