"""Tick, step and smallest order of a contract: the store's catalogue, else a dated table, else the data's own figures.

`contracts.json` holds the main coins of the five venues as their catalogues told them on a day. Where neither the store
nor the table knows a contract, the finest step seen in the data is taken: it may be too fine, never too coarse to hold
the prices there are. Hyperliquid's price step is 10^-(6-szDecimals), its size step 10^-szDecimals.
"""

import functools
import importlib.resources
from collections.abc import Iterable
from decimal import Decimal
from math import floor, log10

import msgspec

from perpscope.model.instrument import Instrument

#: Finest step that is looked for in data, and figures looked at.
_MOST_DECIMALS = 10
_SAMPLE = 20_000
#: Figures a price is written with at most, and decimals of money: a tick × a step has to be whole money.
_FIGURES = 7
_MONEY_DECIMALS = 8


class _Row(msgspec.Struct, array_like=True, frozen=True):
    tick: str  #: quote per base
    step: str  #: base units
    least: str  #: quote units
    max_leverage: float | None = None


class _Table(msgspec.Struct, frozen=True):
    source: str
    as_of: str
    interval_h: float
    contracts: dict[str, _Row]


def specified(
    instrument: Instrument, stored: Iterable[Instrument], prices: Iterable[float], sizes: Iterable[float]
) -> tuple[Instrument, str]:
    """The instrument with what its contract asks, and a sentence on where that is from.

    Args:
        instrument: as its name tells it, or as a recording's catalogue does.
        stored: a store's catalogue; empty = there is none.
        prices: some of the data, quote per base, for a contract nobody lists.
        sizes: some of the data, base units.
    """
    if _is_known(instrument):
        return instrument, f"contract of {instrument.symbol}: as the recording's own catalogue told it"
    for kept in stored:
        if kept.id == instrument.id and _is_known(kept):
            return kept, f"contract of {instrument.symbol}: the store's catalogue"
    table = _tables().get(instrument.venue)
    row = None if table is None else table.contracts.get(instrument.symbol)
    if table is not None and row is not None:
        whole = msgspec.structs.replace(
            instrument,
            tick_size=Decimal(row.tick),
            step_size=Decimal(row.step),
            min_notional=Decimal(row.least),
            funding_interval_h=instrument.funding_interval_h or table.interval_h,
            max_leverage=instrument.max_leverage or row.max_leverage,
        )
        return whole, f"contract of {instrument.symbol}: {table.source}, {table.as_of}"
    tick, step = _steps(list(prices), list(sizes))
    whole = msgspec.structs.replace(
        instrument,
        tick_size=tick,
        step_size=step,
        min_notional=instrument.min_notional or Decimal(0),
        funding_interval_h=instrument.funding_interval_h or (8.0 if table is None else table.interval_h),
    )
    return whole, (
        f"contract of {instrument.symbol}: not known, the finest steps seen in the data are taken (price {tick:f}, "
        f"size {step:f}), and no smallest order"
    )


def finest(figures: Iterable[float]) -> Decimal:
    """The largest power of ten that all of these are multiples of; 1 for whole numbers, and for none.

    >>> finest([0.25, 3.0])
    Decimal('0.01')
    """
    most = 0
    for _, figure in zip(range(_SAMPLE), figures, strict=False):
        written = f"{figure:.{_MOST_DECIMALS}f}".rstrip("0")
        most = max(most, len(written) - written.index(".") - 1)
        if most == _MOST_DECIMALS:
            break
    return Decimal(1).scaleb(-most)


def _steps(prices: list[float], sizes: list[float]) -> tuple[Decimal, Decimal]:
    """Tick and step of a contract nobody lists: seven figures of its price at most, and whole money of both."""
    middle = sorted(prices)[len(prices) // 2] if prices else 1.0
    coarsest = Decimal(1).scaleb(floor(log10(middle)) - _FIGURES + 1) if middle > 0.0 else Decimal(1)
    tick = max(finest(prices), coarsest, Decimal(1).scaleb(-_MONEY_DECIMALS))
    return tick, max(finest(sizes), Decimal(1).scaleb(-_MONEY_DECIMALS) / tick)


def _is_known(instrument: Instrument) -> bool:
    return instrument.tick_size is not None and instrument.step_size is not None


@functools.cache
def _tables() -> dict[str, _Table]:
    raw = importlib.resources.files("perpscope.app.backtest").joinpath("contracts.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, _Table])
