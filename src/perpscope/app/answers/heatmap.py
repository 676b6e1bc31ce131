"""A heatmap as programs take it: cells that hold something, a matrix, or a byte for each cell of a regular grid.

In: a `HeatAnswer`. Out: numbers to three digits; bytes with the scale they are to be read by. What was made for the
last few questions is kept in this process, so that the next answer adds what has come since.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap.answer import HeatAnswer
from perpscope.app.liqmap.heat_grown import KeptHeat
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_heatmap
from perpscope.app.liqmap.snapped import snapped_heat

_MS_NS: Final = 1_000_000
_MINUTE_MS: Final = 60_000
#: Hours before the first column that a map needs, where it is made anew.
_BEFORE_H: Final = 24.0
_CODES: Final = 254  #: steps of a byte's scale; 0 is an empty cell
_SPAN: Final = 1e4  #: largest ÷ smallest amount a byte tells
#: Questions whose heatmaps are kept; each takes some 4 MB for five venues.
_MOST_KEPT: Final = 12


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """A byte for each cell, column after column, lowest price first.

    Byte 0 is an empty cell, and byte b is `least · (most ÷ least)^((b − 1) ÷ 254)` dollars.
    """

    cells: bytes
    columns: int
    bins: int
    first_ms: int  #: of the first column
    step_ms: int  #: between columns; one that is missing is all 0
    least_usd: float  #: byte 1
    most_usd: float  #: byte 255


class _Place(msgspec.Struct):
    """Of one question; whoever asks the same waits."""

    turn: threading.Lock
    kept: KeptHeat


class KeptHeats:
    """Heatmaps of the questions that were asked last; for any thread.

    Args:
        most: questions.
    """

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most = most
        self._turn = threading.Lock()
        self._places: OrderedDict[tuple[object, ...], _Place] = OrderedDict()

    def read(self, path: Path, question: Question, *, hours: float, every_min: float) -> HeatAnswer:
        """As `read_heatmap`, gone on with from the last answer to the same."""
        key = (path, question, hours, every_min)
        with self._turn:
            place = self._places.setdefault(key, _Place(threading.Lock(), KeptHeat()))
            self._places.move_to_end(key)
            while len(self._places) > self._most:
                self._places.popitem(last=False)
        with place.turn:
            return read_heatmap(path, question, hours=hours, every_min=every_min, kept=place.kept)


_KEPT: Final = KeptHeats()


def read(path: Path, question: Question, *, hours: float, every_min: float) -> HeatAnswer:
    """The heatmap of the last hours: as it was published where the chain holds them, else made anew, long enough.

    Raises:
        As `read_heatmap`.
    """
    if (
        hours + _BEFORE_H > question.lookback_h
        and snapped_heat(path, question, hours=hours, every_min=every_min) is None
    ):
        question = msgspec.structs.replace(question, lookback_h=hours + _BEFORE_H)
    return _KEPT.read(path, question, hours=hours, every_min=every_min)


def times_ms(found: HeatAnswer) -> list[int]:
    """(columns,) epoch ms."""
    times: list[int] = (found.heatmap.times // _MS_NS).tolist()
    return times


def rounded(usd: Floats) -> Floats:
    """Dollars to three digits: they are known within 1 %."""
    power = np.floor(np.log10(np.maximum(usd, 1.0))) - 2.0
    scale = 10.0**power
    digits: Floats = np.rint(usd / scale) * scale
    return np.rint(digits)


def sparse(found: HeatAnswer, threshold: float) -> list[tuple[int, int, int]]:
    """Column, bin and dollars of each cell that holds so much of what the largest does, column after column."""
    exact = found.heatmap.usd
    usd = rounded(exact)
    columns, bins = np.nonzero((usd > 0.0) & (exact >= threshold * exact.max(initial=0.0)))
    return list(zip(columns.tolist(), bins.tolist(), usd[columns, bins].astype(np.int64).tolist(), strict=True))


def grid(found: HeatAnswer, every_min: float) -> Grid:
    """Bytes on a regular grid of time."""
    usd, times = found.heatmap.usd, np.array(times_ms(found), np.int64)
    step = round(every_min * _MINUTE_MS)
    first = int(times[0]) if times.size else 0
    at = np.rint((times - first) / step).astype(np.int64)
    columns = int(at[-1]) + 1 if at.size else 0
    most = float(usd.max(initial=1.0))
    least = most / _SPAN
    codes = np.zeros((columns, found.heatmap.edges.size - 1), np.uint8)
    codes[at] = _coded(usd, least, most)
    return Grid(
        cells=codes.tobytes(),
        columns=columns,
        bins=codes.shape[1],
        first_ms=first,
        step_ms=step,
        least_usd=least,
        most_usd=most,
    )


def _coded(usd: Floats, least: float, most: float) -> NDArray[np.uint8]:
    """What is less than `least` by more than half a step is nothing."""
    steps = np.log(np.maximum(usd, 1e-300) / least) / np.log(most / least) * _CODES
    return np.where(steps >= -0.5, np.clip(np.rint(steps), 0, _CODES) + 1, 0).astype(np.uint8)
