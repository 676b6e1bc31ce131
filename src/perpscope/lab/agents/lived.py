"""The days before the lab opens, lived by the agent market itself: what the store of a demo is filled with.

In: a seed, a coin, the moment of the opening. Out: a `Past`: a row a venue and a column a minute, every closing by
force, and the market as it stands at the end, which goes on from there. Steps are long, so that days take seconds;
within a step prices are a Brownian bridge.
"""

import math
import random

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_linear import Floats
from perpscope.lab.agents.market import AgentMarket
from perpscope.lab.agents.people import stances
from perpscope.lab.agents.steps import Setting, Step
from perpscope.lab.agents.truth import Column
from perpscope.lab.agents.world import Shock
from perpscope.lab.dialect import VENUES, dialect
from perpscope.lab.symbols import Contract, contracts

Counts = NDArray[np.int64]

_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS
_PERIOD_NS = 5 * _MINUTE_NS  # between two counts of who is long
_STEP_S = 60.0  # of the market; a minute is a whole number of them, as of the next
_LIVE_STEP_S, _FINE_MIN = 1.0, 3  # from so many minutes before the opening on
_WARM_UP_S, _WARM_STEP_S = 129_600.0, 120.0  # lived and not told: the crowd is still arriving
_USUAL_VOLATILITY = 0.03  # of a day: BTC's, whom the habits of the crowd are drawn for
_FUNDING_H = 8  # of the crowd; a venue that pays more often pays as much less
_TRADE_USD = 3_500.0  # mean of a taker's trade; by hand
_MEMORY = 30  # minutes over which volatility is felt, for the bridge


class Past(msgspec.Struct):
    """One coin up to the opening: columns are minutes, rows the venues in the order of `places`."""

    base: str
    places: tuple[str, ...]  #: venues
    ts_open: Counts  #: ns UTC, whole minutes without a hole; one row alone
    open: Floats  #: of the last price, quote per base, not rounded to any tick; likewise the next three
    high: Floats
    low: Floats
    close: Floats
    mark: Floats  #: quote per base, at the minute's end, as are all up to the open interest
    index: Floats
    funding_rate: Floats  #: as it would be paid then, fraction, of the venue's interval; at the interval's end: as paid
    open_interest: Floats  #: base units, one side
    bought: Floats  #: by takers within the minute, base units
    sold: Floats
    trades: Counts  #: within the minute
    long_accounts: Floats  #: fraction of the accounts that hold something, as of the last whole five minutes
    long_top_accounts: Floats  #: of the largest fifth of them
    long_top_positions: Floats  #: of what that fifth holds
    liquidations: dict[str, Column]  #: ts, venue (row), is_long, size (base), fill_price (NaN: none), bankruptcy_price
    market: AgentMarket  #: as it stands at the end

    @property
    def ts_begin(self) -> int:
        """Where the first minute opens, ns UTC."""
        return int(self.ts_open[0])

    @property
    def ts_end(self) -> int:
        """Where the last minute ends, ns UTC."""
        return int(self.ts_open[-1]) + _MINUTE_NS


def live(
    seed: int, base: str, ts_end: int, days: float = 8.0, agents: int = 6000, shocks: tuple[Shock, ...] = ()
) -> Past:
    """Let one coin's crowd live up to the opening.

    Args:
        seed: of the lab.
        base: which coin.
        ts_end: the opening, ns UTC, on a whole minute.
        days: how many are told.
        agents: how many people.
        shocks: moves of the index that are made to happen, counted from the opening.

    Raises:
        ConfigError: the coin is not traded here.
        ValueError: the opening is not on a whole minute, or no minute is told.
    """
    told = told_ns(ts_end, days)
    begin, lead_s = ts_end - told, _WARM_UP_S + told / _NS
    moved = tuple(msgspec.structs.replace(shock, at_s=shock.at_s + lead_s) for shock in shocks)
    setting = setting_of(seed, base, begin - round(_WARM_UP_S) * _NS, agents)
    market = AgentMarket(msgspec.structs.replace(setting, dt_s=_WARM_STEP_S, shocks=moved))
    while market.ts < begin:
        market.step()
    market.pace(_STEP_S)
    first, steps, rates, people = tuple(market.last), list[Step](), list[list[float]](), list[Floats]()
    known, chance = stances(market.exchange), np.random.default_rng([setting.seed, 2])
    while market.ts < ts_end:
        if market.ts == ts_end - _FINE_MIN * _MINUTE_NS:
            market.pace(_LIVE_STEP_S)
        steps.append(_minute(market, chance))
        rates.append(market.funding_ahead)
        if market.ts % _PERIOD_NS == 0:
            known = stances(market.exchange)
        people.append(known)
    market.pace(_LIVE_STEP_S)
    past = _told(base, market, begin, first, steps)
    intervals = [dialect(place.venue).funding_interval_h / _FUNDING_H for place in market.setting.places]
    past.funding_rate = np.array(rates).T * np.array(intervals)[:, None]
    past.long_accounts, past.long_top_accounts, past.long_top_positions = np.stack(people, axis=-1)
    return past


def _minute(market: AgentMarket, chance: np.random.Generator) -> Step:
    """Let a minute pass; the step at its end, with what takers traded in all of it.

    A long step closes by force at its beginning: when within the step that was is drawn, in the same order.
    """
    began, forced, already = market.ts, market.chronicle.forced, len(market.chronicle.forced)
    step = market.step()
    times = np.sort(chance.integers(began, step.ts, len(forced) - already)).tolist()
    for at, row in enumerate(sorted(forced[already:], key=lambda row: row.ts)):
        forced[already + at] = msgspec.structs.replace(row, ts=times[at])
    if step.ts % _MINUTE_NS == 0:
        return step
    bought, sold = np.array(step.bought), np.array(step.sold)
    while step.ts % _MINUTE_NS:
        step = market.step()
        bought += step.bought
        sold += step.sold
    return msgspec.structs.replace(step, bought=tuple(bought.tolist()), sold=tuple(sold.tolist()))


def told_ns(ts_end: int, days: float) -> int:
    """How much is told, in whole minutes.

    Raises:
        ValueError: the opening is not on a whole minute, or no minute is told.
    """
    told = round(days * 1440) * _MINUTE_NS
    if ts_end % _MINUTE_NS or told <= 0:
        raise ValueError(f"a past is made of whole minutes, was {days} days up to {ts_end} ns")
    return told


def setting_of(seed: int, base: str, ts_start: int, agents: int) -> Setting:
    """The market of one coin: first price, volatility, and lots that can be traded on every venue.

    Raises:
        ConfigError: the coin is not traded here.
    """
    (contract,) = contracts((base,))
    return Setting(
        seed=random.Random(f"{seed}/{base}/crowd").getrandbits(48),  # noqa: S311 (repeatable chance)
        agents=agents,
        dt_s=_STEP_S,
        price=contract.price,
        ts_start=ts_start,
        volatility=contract.daily_volatility / _USUAL_VOLATILITY,
        lot_size=lot_of(contract),
    )


def lot_of(contract: Contract) -> float:
    """The smallest size that is a whole number of steps on every venue, base units.

    >>> lot_of(contracts(("BTC",))[0])
    0.001
    """
    steps = [dialect(venue).instrument(contract).step_size for venue in VENUES]
    unit = min(step for step in steps if step is not None)
    return float(unit * math.lcm(*(round(step / unit) for step in steps if step is not None)))


def _told(base: str, market: AgentMarket, begin: int, first: tuple[float, ...], steps: list[Step]) -> Past:
    """What the steps were, by minutes; rates and stances are left to be filled in."""
    setting, lot = market.setting, market.setting.lot
    last = np.log(np.array([first, *(step.last for step in steps)])).T
    low, high = _extremes(last, np.random.default_rng([setting.seed, 1]))
    bought, sold = (np.array([getattr(step, side) for step in steps]).T for side in ("bought", "sold"))
    price = np.exp(last[:, 1:])
    venues, minutes = price.shape
    nothing = np.zeros((0, 0))
    past = Past(
        base=base,
        places=tuple(place.venue for place in setting.places),
        ts_open=begin + np.arange(minutes, dtype=np.int64) * _MINUTE_NS,
        open=np.exp(last[:, :-1]),
        high=np.exp(high),
        low=np.exp(low),
        close=price,
        mark=np.array([step.mark for step in steps]).T,
        index=np.tile([step.index for step in steps], (venues, 1)),
        funding_rate=nothing,
        open_interest=np.array([step.open_interest for step in steps]).T * lot,
        bought=bought * lot,
        sold=sold * lot,
        trades=_trades(bought, sold, price * lot),
        long_accounts=nothing,
        long_top_accounts=nothing,
        long_top_positions=nothing,
        liquidations=_liquidations(market, begin),
        market=market,
    )
    _stand_still(past)
    _reach_the_forced(past)
    return past


def _extremes(last: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Lowest and highest log price of each minute: a Brownian bridge's, of the volatility of the minutes before.

    The distribution is exact for each of the two (reflection principle), their joint one is not kept.
    """
    moves = np.diff(last, axis=1)
    felt = np.empty_like(moves)
    variance = moves.var(axis=1)
    for at in range(moves.shape[1]):
        felt[:, at] = variance
        variance = variance + (moves[:, at] ** 2 - variance) / _MEMORY
    first, then = last[:, :-1], last[:, 1:]
    reach = np.sqrt(moves**2 - 2.0 * felt * np.log(1.0 - rng.random((2, *moves.shape))))
    return (first + then - reach[0]) / 2.0, (first + then + reach[1]) / 2.0


def _trades(bought: Floats, sold: Floats, lot_usd: Floats) -> Counts:
    """How many trades a minute's lots were: at least one a side on which there were any, at most one a lot."""
    count = np.zeros(bought.shape, np.int64)
    for lots in (bought, sold):
        usual = np.ceil(lots * lot_usd / _TRADE_USD)
        count += np.minimum(np.maximum(usual, np.sign(lots)), lots).astype(np.int64)
    return count


def _stand_still(past: Past) -> None:
    """A minute without a trade has the last trade's price throughout."""
    traded = past.trades > 0
    newest = np.maximum.accumulate(np.where(traded, np.arange(traded.shape[1]), -1), axis=1)
    rows = np.arange(traded.shape[0])[:, None]
    first = past.open[:, :1].copy()
    past.close = np.where(newest < 0, first, past.close[rows, np.maximum(newest, 0)])
    past.open = np.concatenate((first, past.close[:, :-1]), axis=1)
    past.high = np.where(traded, np.maximum(past.high, np.maximum(past.open, past.close)), past.close)
    past.low = np.where(traded, np.minimum(past.low, np.minimum(past.open, past.close)), past.close)


def _liquidations(market: AgentMarket, begin: int) -> dict[str, Column]:
    table = market.chronicle.liquidations()
    told = table["ts"] >= begin
    return {
        "ts": table["ts"][told],
        "venue": table["venue"][told],
        "is_long": (table["side"][told] > 0).astype(np.int64),
        "size": np.round(table["lots"][told] * market.setting.lot, 8),
        "fill_price": table["fill_price"][told],
        "bankruptcy_price": table["bankruptcy_price"][told],
    }


def _reach_the_forced(past: Past) -> None:
    """The extremes of a minute are at least the fills of the orders that closed positions by force."""
    rows = past.liquidations
    filled = np.isfinite(rows["fill_price"])
    minute = (rows["ts"][filled] - past.ts_begin) // _MINUTE_NS
    at = (rows["venue"][filled].astype(np.int64), minute.astype(np.int64))
    np.maximum.at(past.high, at, rows["fill_price"][filled])
    np.minimum.at(past.low, at, rows["fill_price"][filled])
