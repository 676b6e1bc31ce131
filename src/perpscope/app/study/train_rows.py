"""What is learnt from: features and outcomes of every market in one order of time; no feature of them looks ahead.

A market's rows are its minutes whose outcome is known. Climatology of each is its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.features.made import features
from perpscope.analytics.features.raw import FEATURE, FEATURES, volatility
from perpscope.analytics.features.told import INPUTS, MINUTE_NS, Stamps, Told
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.climatology import climatology
from perpscope.app.study.train_files import Market
from perpscope.errors import PerpscopeError, TooLittle
from perpscope.trading.labels import HORIZON, Costs, Labels, labels

#: What makes features of minutes: `features`, or what is put to the test.
Making = Callable[[Told], Floats]
SIDES: Final = ("up", "down")
#: Share of rows in which a feature has to be known to be learnt from.
_KNOWN: Final = 0.5
_LEAST_ROWS: Final = 20_000
#: Places at which a market is asked whether a feature knew too much, shares of its minutes; seed of what is put there.
_PROBES: Final = (0.35, 0.6, 0.9)
_SEED: Final = 11
_NOISE: Final = 0.05


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """All markets' minutes, in order of time; (n,) unless said otherwise."""

    names: tuple[str, ...]  #: of the features learnt from
    ts: Stamps  #: closes, ns UTC
    market: NDArray[np.int64]
    x: Floats  #: (n, features) as float32 would have them
    base: Floats  #: (n, 2) climatology's shares of a long's gain and a short's
    outcome: NDArray[np.int64]  #: 1, 0 or -1
    long: Floats  #: net return
    short: Floats
    life: NDArray[np.int64]  #: minutes
    weight: Floats  #: uniqueness
    compared: int  #: minutes whose features did not move when later ones were replaced

    def was(self, side: int) -> NDArray[np.bool_]:
        """Whether a long (0) or a short (1) brought a net gain."""
        found: NDArray[np.bool_] = self.outcome == (1, -1)[side]
        return found

    def known(self) -> NDArray[np.int64]:
        """How many of the first rows had their outcome at each."""
        return np.searchsorted(self.ts, self.ts - HORIZON * MINUTE_NS, "right")


def rows_of(markets: Sequence[Market], costs: Costs, making: Making = features) -> Rows:
    """Make the rows.

    Raises:
        TooLittle: there are too few ("train-short").
        PerpscopeError: a feature looks ahead ("study-look-ahead").
    """
    parts: list[tuple[Stamps, Floats, Floats, Labels, NDArray[np.bool_]]] = []
    compared = 0
    for market in markets:
        compared += refuse_look_ahead(market, making)
        made = making(market.told)
        of = labels(market.open, market.high, market.low, market.close, volatility(market.close), costs)
        base = np.column_stack([climatology(of.outcome == sign, of.weight, HORIZON) for sign in (1, -1)])
        parts.append((market.told.ts, made, base, of, of.is_known & ~np.isnan(made[:, FEATURE["ret_1"]])))
    count = sum(int(taken.sum()) for *_, taken in parts)
    if count < _LEAST_ROWS:
        raise TooLittle(
            "train-short",
            f"{count:,} minutes with features and an outcome are too few",
            hint=f"{_LEAST_ROWS:,} are needed: two weeks of one coin, or more coins",
        )
    x = np.concatenate([made[taken] for _, made, _, _, taken in parts])
    used = [place for place in range(len(FEATURES)) if (~np.isnan(x[:, place])).mean() >= _KNOWN]
    ts = np.concatenate([stamps[taken] for stamps, *_, taken in parts])
    order = np.argsort(ts, kind="stable")
    of_market = np.concatenate([np.full(int(taken.sum()), at) for at, (*_, taken) in enumerate(parts)])

    def column(name: str) -> Any:  # noqa: ANN401 -- of the type of that column of `Labels`
        return np.concatenate([getattr(of, name)[taken] for *_, of, taken in parts])[order]

    return Rows(
        names=tuple(name for at, name in enumerate(FEATURES) if at in used),
        ts=ts[order],
        market=of_market[order],
        x=x[order][:, used].astype(np.float32).astype(np.float64),
        base=np.concatenate([base[taken] for _, _, base, _, taken in parts])[order],
        compared=compared,
        **{name: column(name) for name in ("outcome", "long", "short", "life", "weight")},
    )


def refuse_look_ahead(market: Market, making: Making) -> int:
    """Put other minutes after some moments and make the features again: up to those moments none may change.

    Returns:
        How many minutes were compared.

    Raises:
        PerpscopeError: a feature looks ahead ("study-look-ahead"), named with the minute.
    """
    generator = np.random.default_rng(_SEED)
    whole = making(market.told)
    for share in _PROBES:
        count = int(share * len(market.told.ts))
        again = making(_replaced(market.told, count, generator))[:count]
        differs = ~((again == whole[:count]) | (np.isnan(again) & np.isnan(whole[:count])))
        if differs.any():
            row, place = (int(found[0]) for found in np.nonzero(differs))
            moment = np.datetime_as_string(np.datetime64(int(market.told.ts[row]), "ns"), "m")
            raise PerpscopeError(
                "study-look-ahead",
                f"feature {[*FEATURES][place]} of {market.name} at {moment} moved when only later minutes were changed",
                hint="this is our bug: please report it",
            )
    return int(_PROBES[-1] * len(market.told.ts))


def _replaced(told: Told, count: int, generator: np.random.Generator) -> Told:
    """The same minutes up to a place, others after it."""
    values = told.values.copy()
    values[count:] *= np.exp(_NOISE * generator.standard_normal((len(values) - count, len(INPUTS))))
    return Told(told.ts, values, told.ages)
