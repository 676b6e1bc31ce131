"""Random markets of every kind, and desks that trade in them by a rule that is as good as a coin."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import numpy as np

from perpscope.analytics.margin_tiers import flat_table
from perpscope.engine.taping import tape_of
from perpscope.engine.telling import Told
from perpscope.engine.trader import Trader
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Disconnected,
    FundingPaid,
    Gap,
    Interval,
    Level,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Side,
    Subscribed,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import Clusters, DerivedEvent, Forecast
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Costs, Risk
from perpscope.trading import orders, risk
from perpscope.trading.compiling import loops
from perpscope.trading.desk import Desk, opened
from perpscope.trading.fees import costs_of
from perpscope.trading.kernel import Logs, kernel
from perpscope.trading.layout import (
    ENTRY,
    EXIT,
    LIMIT,
    LONG,
    NOTE_EDGE,
    NOTE_FAILED,
    NOTE_OWN,
    NOTE_SIDE,
    NOTE_STOP,
    NOTE_TAKE,
    NOTE_WHY,
    NS,
    SHORT,
    STAY,
)
from perpscope.trading.strategy import Needs, Numbers, Record, Strategy
from perpscope.trading.units import Units

Event = MarketEvent | DerivedEvent

BTC = Instrument(
    id=InstrumentId("BTC-USDT-PERP.BINANCE"),
    venue="binance",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    step_size=Decimal("0.001"),
    min_notional=Decimal(100),
)
UNITS = Units.of(BTC)
START = 1_700_000_040 * NS // (60 * NS) * 60 * NS
BOOK = Stream(Channel.BOOK, BTC.id)


class Coin(msgspec.Struct, frozen=True):
    """What the coin is told."""

    pace: float = 3.0  #: moments between two answers
    stop: float = 0.004  #: fraction
    take: float = 0.006


@loops
def coin_rule(_w: Record, account: Record, parameters: Numbers, notes: Numbers) -> int:
    """Go one way, then out, then the other, now and then nearly; whatever the market does."""
    notes[NOTE_OWN] += 1.0
    moment = int(notes[NOTE_OWN])
    notes[NOTE_SIDE] = 1.0 if moment % 2 == 0 else -1.0
    if moment % int(parameters[0]) != 0:
        notes[NOTE_FAILED] = float(moment % 8)
        return STAY
    notes[NOTE_WHY] = 1.0
    if account.size != 0:
        return EXIT if moment % 2 == 0 else (SHORT if account.size > 0 else LONG)
    notes[NOTE_STOP], notes[NOTE_TAKE] = parameters[1], parameters[2]
    if moment % 5 == 0:
        notes[NOTE_EDGE] = 0.001
    return LONG if moment % 4 < 2 else SHORT


COIN = Strategy(
    name="coin",
    summary="Goes in and out whatever the market does.",
    parameters=Coin,
    needs=Needs.CANDLES,
    reasons=("", "tossed"),
    entry_rules=("first", "second", "third"),
    rule=coin_rule,
)


def desk_of(
    strategy: Strategy = COIN,
    parameters: msgspec.Struct | None = None,
    *,
    has_candles: bool = True,
    is_asked_each_second: bool = False,
    is_simulated: bool = True,
    costs: Costs | None = None,
    limits: Risk | None = None,
    deposit: int = 10_000,
    mode: int = 1,
    is_strict: bool = True,
) -> Desk:
    """A desk for BTC with the limits of `settings`, but without a pause."""
    made = opened(
        strategy,
        strategy.parameters() if parameters is None else parameters,
        UNITS,
        flat_table(0.004),
        costs_of(BTC, costs or Costs(), 7),
        deposit=Decimal(deposit),
        leverage=10.0,
        has_candles=has_candles,
        is_simulated=is_simulated,
    )
    made["is_asked_each_second"] = is_asked_each_second
    freely = Risk(leverage=10.0, cooldown_s=0.0, streak=1000, daily_loss=1.0, drawdown=1.0, target=1000.0)
    risk.limited(made, limits or freely, mode=mode, is_paced=has_candles, is_strict=is_strict)
    return made


def with_limits(desk: Desk) -> Desk:
    """The same desk with two limit entries that rest about the price from the start on."""
    d = desk[0]
    orders.place(d, START, LIMIT, ENTRY, 1, 4, 599_000, 1, 0.004, 0.006)
    late = orders.place(d, START, LIMIT, ENTRY, -1, 3, 601_500, 1, 0.004, 0.0)
    orders.cancel(d, START + 200 * NS, late)
    return desk


def by_run(desk: Desk, events: list[Event], strategy: Strategy = COIN) -> Logs:
    """What the compiled loop makes of them."""
    return kernel(strategy.rule).run(desk, tape_of(events, UNITS, BTC.id))


def by_events(desk: Desk, events: list[Event], strategy: Strategy = COIN) -> tuple[Logs, list[Told]]:
    """What the event path makes of them, in the same form, and what it told."""
    told: list[Told] = []
    trader = Trader(strategy, BTC, desk, told.append)
    fills: list[np.void] = []
    decisions: list[np.void] = []
    seen = [0, 0]
    plain = desk.view(np.ndarray)[0]
    for event in events:
        trader.process(event)
        for rows, ring, count, at in (
            (fills, plain["kept_fills"], int(plain["fills"]), 0),
            (decisions, plain["kept_decisions"], int(plain["decisions"]), 1),
        ):
            rows.extend(ring[number % ring.size].copy() for number in range(seen[at], count))
            seen[at] = count
    logs = Logs(_log(fills, plain["kept_fills"]), _log(decisions, plain["kept_decisions"]), trader.points)
    return logs, told


def _log(rows: list[np.void], ring: np.ndarray) -> np.ndarray:
    return np.array(rows, ring.dtype) if rows else ring[:0].copy()


def dump(logs: Logs) -> list[list[float]]:
    """Every number of every row, in order, to be compared or printed; NaN as -1e300."""
    found = []
    for rows in (logs.fills, logs.decisions, logs.points):
        table = np.array([[float(value) for value in row] for row in rows.view(np.ndarray).tolist()])
        found.append(np.nan_to_num(table, nan=-1e300).ravel().tolist())
    return found


def candle_events(number: int, count: int = 400, volatility: float = 0.002) -> list[Event]:
    """Closed candles with holes and repeats, fundings, marks now and then."""
    rng = np.random.default_rng(number)
    closes = 60_000.0 * np.exp(np.cumsum(rng.normal(0.0, volatility, count)))
    events: list[Event] = []
    before = 60_000.0
    for at in range(count):
        last = float(closes[at])
        span = float(abs(rng.normal(0.0, volatility / 2.0)))
        high, low = max(before, last) * (1.0 + span), min(before, last) * (1.0 - span)
        opened_at = START + at * 60 * NS
        closed_at = opened_at + 60 * NS
        if rng.random() < 0.97:
            bought = None if rng.random() < 0.2 else float(rng.uniform(0.0, 5.0))
            recv = closed_at + int(rng.integers(0, NS))
            told = (before, high, low, last, 10.0)
            events.append(
                Candle(BTC.id, closed_at, recv, Interval.M1, opened_at, *told, None, None, bought, None, True)
            )
        if rng.random() < 0.05:
            events.append(events[-1] if events else Tick(closed_at))
        if at % 480 == 100:
            events.append(FundingPaid(BTC.id, closed_at, closed_at + NS, 0.0001, None))
        before = last
    return events


def _book(rng: np.random.Generator, middle: int) -> tuple[list[Level], list[Level]]:
    count = int(rng.integers(1, 25))
    sizes = rng.integers(1, 3000, 2 * count) / 1000.0
    steps = np.cumsum(rng.integers(1, 4, 2 * count))
    bids = [((middle - int(step)) * 0.1, float(size)) for step, size in zip(steps[:count], sizes[:count], strict=True)]
    asks = [((middle + int(step)) * 0.1, float(size)) for step, size in zip(steps[:count], sizes[count:], strict=True)]
    return bids, asks


def moments(number: int, seconds: int) -> Iterator[tuple[np.random.Generator, int, int]]:
    """A generator, the time (ns) and the middle of the book (ticks), eight times a second."""
    rng = np.random.default_rng(number)
    middle = 600_000
    for at in range(8 * seconds):
        middle += int(rng.normal(0.0, 25.0))
        yield rng, START + at * NS // 8, middle


def book_events(number: int, seconds: int = 240, *, has_deltas: bool = False, has_marks: bool = True) -> list[Event]:
    """Trades, books (whole, or deltas that break off now and then), marks, and what workers say, for some seconds."""
    events: list[Event] = [Subscribed("binance", "one", (BOOK,), START)]
    update, is_whole = 0, False
    shown: tuple[list[Level], list[Level]] = [], []
    for rng, ts, middle in moments(number, seconds):
        recv = ts + int(rng.integers(1, 80)) * 1_000_000
        if rng.random() < 0.35:
            side = Side.BUY if rng.random() < 0.5 else Side.SELL
            price = round((middle + int(rng.integers(-6, 7))) * 0.1, 1)
            events.append(Trade(BTC.id, ts, recv, update, price, float(rng.uniform(0.01, 2.0)), side, False))
        else:
            update += 1
            bids, asks = _book(rng, middle)
            if has_deltas and is_whole:
                is_whole = rng.random() > 0.02  # else an update is missing, and a snapshot comes next
                before = update - 1 if is_whole else update - 2
                changed = _changed(shown[0], bids), _changed(shown[1], asks)
                events.append(BookDelta(BTC.id, ts, recv, update, update, before, *changed))
            else:
                is_whole = True
                events.append(BookSnapshot(BTC.id, ts, recv, update, bids, asks, is_stream=True))
            shown = bids, asks
        events.extend(_others(rng, ts, recv, middle, has_marks=has_marks))
    return sorted(events, key=lambda event: event.ts_recv)


def _changed(before: list[Level], after: list[Level]) -> list[Level]:
    """What a delta tells that leads from some levels to others."""
    kept = dict(after)
    return [*((price, 0.0) for price, _ in before if price not in kept), *after]


def _others(rng: np.random.Generator, ts: int, recv: int, middle: int, *, has_marks: bool) -> list[Event]:
    found: list[Event] = []
    if ts % NS == 0:
        found.append(Tick(recv))
        if has_marks:
            rate = None if rng.random() < 0.3 else 0.0001
            found.append(MarkPrice(BTC.id, ts, recv, middle * 0.1, None if rate is None else middle * 0.1, rate, None))
    if rng.random() < 0.01:
        side = PositionSide.LONG if rng.random() < 0.5 else PositionSide.SHORT
        price = None if rng.random() < 0.2 else middle * 0.1
        size = float(rng.uniform(0.1, 3.0))
        found.append(Liquidation(BTC.id, ts, recv, side, size, price, None, Completeness.COMPLETE, Sampling.NONE))
    if rng.random() < 0.004:
        found.append(FundingPaid(BTC.id, ts, recv, float(rng.normal(0.0, 0.0005)), middle * 0.1))
    if rng.random() < 0.004:
        found.append(OpenInterest(BTC.id, ts, recv, 80_000.0, None))
    if rng.random() < 0.004:
        found.append(Clusters(BTC.id, recv, None, 0.0, middle * 0.099, 1e6, -0.5))
    if rng.random() < 0.004:
        found.append(Forecast(BTC.id, ts, recv, "m", 0.6, 0.2, 0.001, 0.5, True, bool(rng.random() < 0.3)))
    if rng.random() < 0.003:
        found.append(Gap("binance", (BOOK,), ts, None, "sequence", recv))
        found.append(Gap("binance", (BOOK,), ts, recv + NS, "sequence", recv + NS))
    if rng.random() < 0.001:
        found.append(Disconnected("one", "disconnect", recv))
        found.append(Subscribed("binance", "one", (BOOK,), recv + 1))
    if rng.random() < 0.001:
        found.append(Unheard("binance", "one", (BOOK,), "refused", recv))
        found.append(Subscribed("binance", "one", (BOOK,), recv + 1))
    return found
