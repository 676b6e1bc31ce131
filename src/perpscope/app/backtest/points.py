"""Points of a grid: sets of parameters, and what each came to on one material, told in little.

In: a strategy, the values its grid names, a material. Out: `Point`s, with the return of each stretch of time, which is
what parameters are chosen by and what the probability of overfitting is reckoned of.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.app.backtest.played import Played, Setup, play, run_hash
from perpscope.config import convert
from perpscope.settings import Table
from perpscope.trading.account import equity
from perpscope.trading.layout import MONEY
from perpscope.trading.performance.ratios import YEAR
from perpscope.trading.strategy import Strategy

_DAY_NS: Final = 86_400_000_000_000
_HOUR_NS: Final = 3_600_000_000_000
#: Days from which on runs are looked at by the day, by the hour, or by ten minutes (chosen by hand).
_STRETCHES: Final = ((60, _DAY_NS), (3, _HOUR_NS), (0, _HOUR_NS // 6))


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A set of parameters, and what it came to."""

    parameters: dict[str, float]
    net: float  #: quote units
    trades: int
    sharpe: float | None  #: a year, of the returns below
    max_drawdown: float  #: fraction, of equity at candles and fills
    hash: str
    returns: list[float]  #: of each stretch of time, fraction
    opened_ns: list[int]  #: when each trade was opened, ns UTC


def points_of(strategy: Strategy, base: msgspec.Struct) -> list[msgspec.Struct]:
    """Every combination of the values a strategy's grid names; what it does not name is as in `base`.

    Raises:
        ConfigError: a value of the grid is out of its parameter's range.
    """
    names = [*strategy.grid]
    whole: Table = {name: getattr(base, name) for name in strategy.parameters.__struct_fields__}
    found = []
    for values in product(*(strategy.grid[name] for name in names)):
        table: Table = {**whole, **dict(zip(names, values, strict=True))}
        found.append(convert(table, strategy.parameters, f"strategy.{strategy.name}.grid"))
    return found


def stretch_ns(from_ns: int, to_ns: int) -> int:
    """How long the stretches are that returns are told of: a day; an hour below sixty days; ten minutes below three."""
    return next(length for days, length in _STRETCHES if to_ns - from_ns >= days * _DAY_NS)


def point(setup: Setup) -> Point:
    """Run one set of parameters by compiled loops."""
    return scored(setup, play(setup, "compiled"))


def scored(setup: Setup, played: Played) -> Point:
    """What a played run came to, in little."""
    material, account = setup.material, played.desk[0]["account"]
    closes = material.tape.tables.candles
    price = float(closes[-1, 3]) if closes.size else float(played.desk[0]["watch"]["last"])
    deposit, end = int(account["deposit"]), int(equity(account, price))
    money = np.concatenate([[deposit], played.logs.points["equity"], [end]]) / MONEY
    ts = np.concatenate([[material.from_ns], played.logs.points["ts"], [material.to_ns]])
    edges = edges_of(material.from_ns, material.to_ns)
    at_edges = money[np.clip(np.searchsorted(ts, edges, side="right") - 1, 0, None)]
    at_edges[-1] = money[-1]
    before = at_edges[:-1]
    returns = np.divide(np.diff(at_edges), before, out=np.zeros(before.size), where=before > 0.0)
    peak = np.maximum.accumulate(money)
    fills = played.logs.fills
    opened = np.concatenate([[True], fills["position"][:-1] == 0]) if fills.size else np.zeros(0, bool)
    return Point(
        parameters=setup.numbers,
        net=float(money[-1] - money[0]),
        trades=int(opened.sum()),
        sharpe=yearly(returns, material.from_ns, material.to_ns),
        max_drawdown=float(((peak - money) / peak).max()),
        hash=run_hash(setup, played),
        returns=returns.tolist(),
        opened_ns=fills["ts"][opened].tolist(),
    )


def edges_of(from_ns: int, to_ns: int) -> NDArray[np.int64]:
    """Begins of the stretches of a time, and its end, ns UTC."""
    length = stretch_ns(from_ns, to_ns)
    return np.append(np.arange(from_ns, to_ns, length, dtype=np.int64), to_ns)


def yearly(returns: Floats, from_ns: int, to_ns: int) -> float | None:
    """Sharpe ratio a year of the returns of stretches; None where they do not vary."""
    spread = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    if spread <= 0.0:
        return None
    return float(returns.mean()) / spread * float(np.sqrt(YEAR * _DAY_NS / stretch_ns(from_ns, to_ns)))


def table_of(points: Sequence[Point]) -> Floats:
    """Returns as (stretches, points)."""
    return np.array([one.returns for one in points], np.float64).T


def best_of(points: Iterable[Point], least: int) -> Point | None:
    """The highest Sharpe ratio among those with so many trades; of equals the first. None if none has as many."""
    known = [one for one in points if one.sharpe is not None and one.trades >= least]
    return max(known, key=lambda one: one.sharpe or 0.0, default=None)
