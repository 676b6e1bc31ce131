"""The seeded market: repeatable, consistent with itself, lively."""

import itertools
import math
import random
from collections import Counter

import pytest

from perpscope.errors import ConfigError
from perpscope.lab.candles import CandleStack
from perpscope.lab.market import Market
from perpscope.lab.prehistory import summed
from perpscope.lab.prices import StochasticVolatility
from perpscope.lab.symbols import CONTRACTS, contracts
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    PositionSide,
    Quote,
    Side,
    Trade,
)

_S = 1_000_000_000
_HOUR = 3600 * _S
_START = 1_795_219_200 * _S  # 2026-11-21T00:00:00Z
_ID = InstrumentId("BTC-USDT-PERP.BINANCE")


def _figures(candle: Candle) -> list[float]:
    prices = [candle.open, candle.high, candle.low, candle.close, candle.volume]
    return [*prices, candle.quote_volume or 0.0, candle.trades or 0, candle.taker_buy_volume or 0.0]


def _told(market: Market, seconds: int) -> list[tuple[int, MarketEvent]]:
    return list(market.events(market.ts_start + seconds * _S))


@pytest.mark.unmeasured
def test_same_seed_gives_the_same_market_whatever_the_pacing() -> None:
    """Protects repeatability: asked for at once, in steps, or event by event, the same things happen. Keeps S1-22."""
    at_once = _told(Market(7, _START), 20)
    stepped = Market(7, _START)
    in_steps = [told for cut in range(0, 20_001, 7) for told in stepped.events(_START + cut * 1_000_000)]
    in_steps += stepped.events(_START + 20 * _S)
    hurried = Market(7, _START)
    one_by_one: list[tuple[int, MarketEvent]] = []
    while told := list(itertools.islice(hurried.events(_START + 20 * _S), 1)):
        one_by_one += told
    assert at_once == in_steps == one_by_one
    assert len(at_once) > 1000


def test_other_seeds_give_other_markets() -> None:
    """Protects the seed's meaning."""
    assert _told(Market(1, _START), 5) != _told(Market(2, _START), 5)


def test_events_come_in_time_order_and_on_whole_milliseconds() -> None:
    """Protects every consumer of the market: time never goes back, and survives a wire that knows milliseconds."""
    times = [ts for ts, _ in _told(Market(3, _START), 30)]
    assert times == sorted(times)
    assert all(ts % 1_000_000 == 0 for ts in times)


@pytest.mark.unmeasured
def test_book_changes_reproduce_every_quote() -> None:
    """Protects consistency: at every update id the book built from the changes has exactly the quoted best prices."""
    books: dict[InstrumentId, tuple[dict[float, float], dict[float, float], int]] = {}
    compared = 0
    for _, event in _told(Market(11, _START), 240):
        match event:
            case BookSnapshot():
                books[event.instrument] = (dict(event.bids), dict(event.asks), event.last_update_id)
            case BookDelta():
                bids, asks, last = books[event.instrument]
                assert event.prev_update_id == last < event.first_update_id <= event.last_update_id
                for side, changes in ((bids, event.bids), (asks, event.asks)):
                    side.update(changes)
                    for price, size in changes:
                        if size == 0:
                            del side[price]
                books[event.instrument] = (bids, asks, event.last_update_id)
            case Quote():
                bids, asks, last = books[event.instrument]
                assert event.update_id == last
                assert (event.bid, event.bid_size) == (max(bids), bids[max(bids)])
                assert (event.ask, event.ask_size) == (min(asks), asks[min(asks)])
                assert event.bid < event.ask
                compared += 1
            case _:
                pass
    assert compared > 5000
    assert all(len(side) > 50 for bids, asks, _ in books.values() for side in (bids, asks))


def test_candles_are_what_was_traded() -> None:
    """Protects closed candles: each once, on the grid, with its trades' extremes and sums, also before the start."""
    market = Market(5, _START + 58 * 60 * _S, ("BTCUSDT",))
    trades: list[Trade] = []
    closed: list[Candle] = []
    for ts, event in _told(market, 300):
        if isinstance(event, Trade):
            trades.append(event)
        if isinstance(event, Candle) and event.is_closed:
            assert ts == event.ts_event == event.ts_open + event.interval.ns
            closed.append(event)
    minutes = [candle for candle in closed if candle.interval is Interval.M1]
    assert [candle.ts_open for candle in minutes] == [market.ts_start + n * 60 * _S for n in range(5)]
    assert Counter(candle.interval for candle in closed) == {Interval.M1: 5, Interval.M15: 1, Interval.H1: 1}
    for candle in (candle for candle in closed if candle.interval is not Interval.M1):
        parts = market.candles("BTCUSDT", Interval.M1, candle.ts_open, candle.ts_event)
        assert len(parts) == candle.interval.ns // Interval.M1.ns
        assert _figures(candle) == pytest.approx(_figures(summed(parts, candle.interval)))
    for candle in minutes:
        inside = [trade for trade in trades if candle.ts_open <= trade.ts_event < candle.ts_event]
        assert candle.trades == len(inside) > 0
        assert (candle.open, candle.close) == (inside[0].price, inside[-1].price)
        assert (candle.high, candle.low) == (max(t.price for t in inside), min(t.price for t in inside))
        assert candle.volume == pytest.approx(sum(t.size for t in inside))
        bought = [t for t in inside if t.side is Side.BUY]
        assert candle.taker_buy_volume == pytest.approx(sum(t.size for t in bought))
        assert candle.taker_buy_quote_volume == pytest.approx(sum(t.size * t.price for t in bought))


def test_trade_ids_are_contiguous() -> None:
    """Protects gap tests by trade id."""
    ids = [event.trade_id for _, event in _told(Market(5, _START, ("ETHUSDT",)), 60) if isinstance(event, Trade)]
    assert ids == list(range(1, len(ids) + 1))


@pytest.mark.unmeasured
def test_liquidations_cluster_on_both_sides() -> None:
    """Protects the demo: 30 minutes show hundreds of liquidations, long and short, in clusters. Keeps S1-22."""
    events = [event for _, event in _told(Market(7, _START), 1800) if isinstance(event, Liquidation)]
    by_minute = Counter((event.ts_event - _START) // (60 * _S) for event in events)
    sides = Counter(event.position_side for event in events)
    mean = len(events) / 30
    variance = sum((by_minute[minute] - mean) ** 2 for minute in range(30)) / 30
    assert 200 < len(events) < 3000
    assert min(sides[PositionSide.LONG], sides[PositionSide.SHORT]) > 20
    assert variance / mean > 3  # Fano factor: 1 for independent events; METHOD 13.3 asks for at least 3


@pytest.mark.unmeasured
def test_liquidation_is_a_trade_with_its_bankruptcy_on_the_worse_side() -> None:
    """Protects the meaning of both prices: a closed long sells above its bankruptcy price, a short buys below it."""
    told = [event for _, event in _told(Market(7, _START), 300)]
    liquidations = [event for event in told if isinstance(event, Liquidation)]
    trades = {
        (event.instrument, event.ts_event, event.price, event.size, event.side)
        for event in told
        if isinstance(event, Trade)
    }
    assert liquidations
    for event in liquidations:
        side = Side.SELL if event.position_side is PositionSide.LONG else Side.BUY
        assert event.fill_price is not None
        assert event.bankruptcy_price is not None
        assert (event.instrument, event.ts_event, event.fill_price, event.size, side) in trades
        assert (event.bankruptcy_price < event.fill_price) is (side is Side.SELL)


def test_marks_come_each_second_with_the_next_funding_time() -> None:
    """Protects premium rows: one a second and symbol, near the mid, funding at 00, 08 and 16 h UTC."""
    market = Market(1, _START, ("SOLUSDT",))
    assert market.mark("SOLUSDT") is None
    marks = [event for _, event in _told(market, 10) if isinstance(event, MarkPrice)]
    assert [mark.ts_event for mark in marks] == [_START + n * _S for n in range(11)]
    assert all(mark.ts_next_funding == _START + 8 * _HOUR for mark in marks)
    assert all(abs(mark.mark / 142.0 - 1) < 0.02 for mark in marks)
    assert market.mark("SOLUSDT") == marks[-1]


@pytest.mark.unmeasured
def test_book_stays_bounded_in_a_long_market() -> None:
    """Protects memory: makers far away are forgotten."""
    sizes: Counter[InstrumentId] = Counter()
    prices: dict[InstrumentId, set[float]] = {}
    for _, event in Market(4, _START, ("ADAUSDT", "DOGEUSDT"), activity=60.0).events(_START + 900 * _S):
        if isinstance(event, BookSnapshot | BookDelta):
            known = prices.setdefault(event.instrument, set())
            for price, size in event.asks:
                (known.add if size else known.discard)(price)
            sizes[event.instrument] = max(sizes[event.instrument], len(known))
    assert all(100 < size <= 700 for size in sizes.values())


def test_start_must_be_on_a_whole_second() -> None:
    """Protects the grid of marks and candles."""
    with pytest.raises(ValueError, match="whole second"):
        Market(1, _START + 1)


def test_unknown_symbol_is_named_with_the_choice() -> None:
    """Protects the user's typing: the wrong symbol and the right ones are said."""
    with pytest.raises(ConfigError, match="FOOUSDT") as raised:
        contracts(("BTCUSDT", "FOOUSDT"))
    assert raised.value.hint is not None
    assert "DOGEUSDT" in raised.value.hint
    assert contracts() == CONTRACTS


def test_quiet_minutes_make_flat_candles() -> None:
    """Protects intervals without a trade: they close at the last price with nothing in them."""
    stack = CandleStack(_ID, _START, 100.0)
    stack.trade(Trade(_ID, _START, _START, 1, 101.0, 2.0, Side.SELL, True))
    stack.close_minute(_START + 60 * _S)
    (quiet,) = stack.close_minute(_START + 120 * _S)
    assert (quiet.open, quiet.high, quiet.low, quiet.close) == (101.0, 101.0, 101.0, 101.0)
    assert (quiet.volume, quiet.trades) == (0.0, 0)
    hour = stack.history(Interval.H1, _START + 130 * _S)
    assert [(bar.open, bar.trades, bar.is_closed) for bar in hour] == [(101.0, 1, False)]
    assert [bar.is_closed for bar in stack.history(Interval.M1, _START + 130 * _S)] == [True, True, False]


def test_a_market_in_which_little_happens_stays_a_market() -> None:
    """A moment every hundred seconds, for a day: volatility breathes as widely as ever, and prices stay prices."""
    volatility = StochasticVolatility(random.Random(8), 0.05)
    moves = [volatility.step(100.0) for _ in range(20_000)]
    daily = math.sqrt(sum(move * move for move in moves) / (len(moves) * 100.0 / 86_400.0))
    assert 0.03 < daily < 0.09
