"""Sums and changes over the minutes before, as columns: what is not known is left out, and too little known is NaN."""

from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats

#: Share of a window that has to be known.
_ENOUGH: Final = 0.8


def before(values: Floats, minutes: int) -> Floats:
    """(n,) The value so many minutes earlier.

    >>> before(np.array([1.0, 2.0, 3.0]), 1)
    array([nan,  1.,  2.])
    """
    found = np.full(values.size, np.nan)
    found[minutes:] = values[: values.size - minutes] if minutes < values.size else []
    return found


def change(values: Floats, minutes: int) -> Floats:
    """(n,) Logarithm of the value ÷ that so many minutes earlier."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return finite(np.log(values / before(values, minutes)))


def mean(values: Floats, minutes: int) -> Floats:
    """(n,) Mean of the last so many minutes, the newest among them; NaN where fewer than 0.8 of them are known.

    >>> mean(np.array([1.0, 3.0, np.nan, 5.0]), 2)
    array([nan,  2., nan, nan])
    """
    known = ~np.isnan(values)
    totals = np.concatenate([[0.0], np.where(known, values, 0.0).cumsum()])
    counts = np.concatenate([[0], known.cumsum()])
    found = np.full(values.size, np.nan)
    if minutes <= values.size:
        count = counts[minutes:] - counts[:-minutes]
        total = totals[minutes:] - totals[:-minutes]
        found[minutes - 1 :] = np.where(count >= _ENOUGH * minutes, total / np.maximum(count, 1), np.nan)
    return found


def finite(values: Floats) -> Floats:
    """What is not a number, or without bounds, as NaN."""
    found: Floats = np.where(np.isfinite(values), values, np.nan)
    return found
