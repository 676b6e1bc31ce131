"""Where an axis has its marks, and what stands beside them.

A chart's numbers are laid out once, here and in the three `…_charts`, for the pictures and the page alike: on a
logarithmic axis the positions are logarithms to base ten, on an axis of time ms UTC.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from perpscope.reports.numerals import moment

Mark: TypeAlias = tuple[float, str]  #: position, label
Range: TypeAlias = tuple[float, float]

_MINUTE_MS = 60_000
_STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160, 43200, 129600, 525600)
_MOST_TIMES = 8
_MOST_NUMBERS = 6
_CORNER = 0.03  #: of an axis: a mark nearer to its lower end would touch those of the other axis


class Axis(msgspec.Struct, frozen=True):
    """One direction of a chart."""

    title: str
    range: Range
    marks: list[Mark]


def even_marks(
    low: float, high: float, label: Callable[[float], str], *, most: int = _MOST_NUMBERS, whole: bool = False
) -> list[Mark]:
    """Marks at round numbers within a range, or at `whole` ones.

    >>> even_marks(-3.0, 8.0, str)
    [(-2.0, '-2.0'), (0.0, '0.0'), (2.0, '2.0'), (4.0, '4.0'), (6.0, '6.0'), (8.0, '8.0')]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(k * step, label(round(k * step, 12))) for k in range(first, last + 1)]


def log_marks(low: float, high: float, label: Callable[[float], str]) -> list[Mark]:
    """Marks of a logarithmic axis: powers of ten, with twos and fives between where there is room.

    >>> log_marks(0.0, 2.0, "{:g}".format)
    [(0.0, '1'), (0.301..., '2'), (0.698..., '5'), (1.0, '10'), (1.301..., '20'), (1.698..., '50'), (2.0, '100')]
    """
    decades = range(math.floor(low), math.ceil(high) + 1)
    marks: list[Mark] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [factor * 10.0**decade for decade in decades for factor in factors]
        marks = [(math.log10(value), label(value)) for value in values if low <= math.log10(value) <= high]
        if len(marks) <= _MOST_TIMES:
            break
    every = math.ceil(len(marks) / _MOST_TIMES)
    return marks[::every] if marks else [((low + high) / 2, label(10.0 ** ((low + high) / 2)))]


def time_marks(from_ms: int, to_ms: int) -> list[Mark]:
    r"""Marks at round times; the day is said at the first one and where it changes.

    >>> time_marks(1_723_118_400_000, 1_723_132_800_000)[:2]
    [(1723118400000, '12:00\n08 Aug'), (1723120200000, '12:30')]
    """
    minutes = (to_ms - from_ms) / _MINUTE_MS
    step = next((s for s in _STEPS_MIN if minutes / s <= _MOST_TIMES), _STEPS_MIN[-1]) * _MINUTE_MS
    times = range(-(-from_ms // step) * step, to_ms + 1, step) or range(from_ms, from_ms + 1)
    marks: list[Mark] = []
    day = ""
    for at in times:
        today = moment(at, "%d %b")
        if step >= 1440 * _MINUTE_MS:
            marks.append((at, moment(at, "%d %b\n%Y") if not marks else today))
        else:
            marks.append((at, moment(at, "%H:%M") if today == day else moment(at, "%H:%M\n%d %b")))
        day = today
    return marks


def padded(values: Sequence[float], by: float = 0.06) -> Range:
    """A range around values with some air; a single value gets a thousandth of itself."""
    low, high = min(values), max(values)
    air = (high - low) * by or abs(low) * 1e-3 or 1.0
    return low - air, high + air


def upright_axis(title: str, reach: Range, marks: list[Mark]) -> Axis:
    """An axis from below upwards, without marks in the corner where the other axis begins."""
    low, high = reach
    return Axis(title, reach, [mark for mark in marks if mark[0] - low > _CORNER * (high - low)])


def mirrored_axis(
    title: str, below: Sequence[float], above: Sequence[float], label: Callable[[float], str], *, whole: bool = False
) -> Axis:
    """An axis for columns on both sides of zero; both sides are labelled with positive numbers."""
    down, up = max(below, default=0.0), max(above, default=0.0)
    most = max(down, up) or 1.0
    low, high = -max(down * 1.08, most * 0.06), max(up * 1.08, most * 0.06)
    marks = even_marks(low, high, lambda value: label(abs(value)), whole=whole)
    return upright_axis(title, (low, high), marks)
