"""Estimated totals where they are used: bars of the liquidation map, sentiment, cascades; from one store."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.contract.store_events import NOON, heart
from tests.unit.sampled_days import DAY_S, hawkes_day
from tests.unit.test_totals_store import told

from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS
from perpscope.analytics.totals.causal import Lesson
from perpscope.analytics.totals.prints import Prints, prints, thinned
from perpscope.app.liqmap.bars import Feed, minute_bars, read_feed
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_map
from perpscope.app.sentiment.reading import read_sentiment
from perpscope.app.totals import causal as totals_causal
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import (
    Candle,
    Completeness,
    Covered,
    Gap,
    Interval,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Sampling,
    Tick,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.reader import SqliteReader
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

SECOND = 1_000_000_000
DAYS = 2
START = NOON - DAYS * DAY_S * SECOND
PRICE = 50_000.0
KINDS = {
    "BINANCE": (Completeness.SAMPLED, Sampling.LARGEST_1S),
    "BYBIT": (Completeness.COMPLETE, Sampling.NONE),
    "OKX": (Completeness.SAMPLED, Sampling.LATEST_1S),
    "HYPERLIQUID": (Completeness.WATCHLIST, Sampling.NONE),
}
SHARES = {"BINANCE": 0.45, "BYBIT": 0.3, "OKX": 0.2, "HYPERLIQUID": 0.05}
#: OKX saw its feed fall silent for ten minutes.
GAP = (NOON - 3 * HOUR_NS, NOON - 3 * HOUR_NS + 10 * MINUTE_NS)


def contract(venue: str) -> Instrument:
    """Bitcoin at a venue."""
    name = instrument_id(venue.lower(), "BTC", "USDT")
    return Instrument(id=name, venue=venue.lower(), symbol="BTCUSDT", base="BTC", quote="USDT", funding_interval_h=8.0)


def true_tapes() -> dict[str, Prints]:
    """Two generated days until noon, complete, at four venues."""
    rng = np.random.default_rng(79)
    days = [hawkes_day(rng, branching=0.8, kind="logn", mu=0.03) for _ in range(DAYS)]
    second = np.concatenate([day.second + at * DAY_S + START // SECOND for at, day in enumerate(days)])
    whole = prints(second, *(np.concatenate([getattr(day, name) for day in days]) for name in ("usd", "is_long")))
    draws, found, low = rng.random(len(whole)), {}, 0.0
    for venue, share in SHARES.items():
        found[venue] = whole.only((draws >= low) & (draws < low + share))
        low += share
    return found


def quarter(of: Instrument, at: int) -> list[MarketEvent]:
    """Prices and open interest of five minutes that end at a moment (ns UTC)."""
    wave = 1.0 + 0.004 * float(np.sin(at / 4e12))
    close, opened = PRICE * wave, at - MINUTE_NS
    ts = at - SECOND
    prices = (close, close * 1.001, close * 0.999, close)
    return [
        Candle(of.id, ts, ts, Interval.M1, opened, *prices, 90.0, None, None, None, None, is_closed=True),
        MarkPrice(of.id, ts, ts, close, close, 1e-4, ts),
        OpenInterest(of.id, ts, ts, 9_000.0 * wave, None),
    ]


def stored(path: Path, tapes: dict[str, Prints], end: int) -> Path:
    """A demo store of everything before a moment (ns UTC)."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([contract(venue) for venue in KINDS])
        for venue, (completeness, sampling) in KINDS.items():
            of = contract(venue)
            told_of = thinned(tapes[venue], sampling).between(0, end // SECOND)
            for event in told(told_of, venue, completeness, sampling):
                store.sink().accept(event)
            for at in range(START + 5 * MINUTE_NS, end + 1, 5 * MINUTE_NS):
                for each in quarter(of, at):
                    store.sink().accept(each)
            streams = (Stream(Channel.LIQUIDATIONS, of.id),)
            connection = f"{venue.lower()}/0"
            store.sink().accept(Covered(of.venue, connection, streams, START, end, is_open=False, ts_recv=end))
            if venue == "OKX" and end > GAP[1]:
                store.sink().accept(Gap(of.venue, streams, *GAP, "disconnect", GAP[1]))
        store.report([], heart((end - NOON) / SECOND))
        store.sink().accept(Tick(end))
    return path


@pytest.fixture(scope="module")
def tapes() -> dict[str, Prints]:
    """The truth."""
    return true_tapes()


@pytest.fixture(scope="module")
def store(tapes: dict[str, Prints], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the venues publish it."""
    return stored(tmp_path_factory.mktemp("wired") / "market.db", tapes, NOON)


def feed(path: Path, venue: str, end: int = NOON, hours: int = 24) -> Feed:
    """Bars of the last hours."""
    with SqliteReader.open(path) as reader:
        return read_feed(reader, contract(venue), end - hours * HOUR_NS, end)


def liquidated(found: Feed) -> float:
    """Base units, both sides, of bars that tell."""
    return float(np.nansum([bar.liquidated_long + bar.liquidated_short for bar in found.bars]))


def sizes(tape: Prints, hours: int = 24) -> float:
    """Base units of the last hours."""
    return float(tape.between(NOON // SECOND - hours * 3600, NOON // SECOND).usd.sum()) / PRICE


def test_bars_carry_estimates_and_how_far_to_trust_them(store: Path, tapes: dict[str, Prints]) -> None:
    """Nearer to the truth than what was observed; trust below 1 where estimated, 1 where all is told. Keeps S0-25."""
    found = feed(store, "BINANCE")
    true, observed = sizes(tapes["BINANCE"]), sizes(thinned(tapes["BINANCE"], Sampling.LARGEST_1S))
    assert abs(liquidated(found) / true - 1.0) < 0.6 * abs(observed / true - 1.0)
    assert found.estimated_share == 1.0
    some = [bar.trust for bar in found.bars if bar.liquidated_long + bar.liquidated_short > 0.0]
    assert 0.0 < min(some) < 1.0
    complete = feed(store, "BYBIT")
    assert liquidated(complete) == pytest.approx(sizes(tapes["BYBIT"]), rel=1e-9)
    assert {bar.trust for bar in complete.bars} == {1.0}
    watched = feed(store, "HYPERLIQUID")
    assert {bar.trust for bar in watched.bars} == {0.2}
    assert watched.estimated_share == 0.0


def test_what_nobody_can_tell_is_unknown(store: Path) -> None:
    """Saturated minutes of the latest of each second, and minutes not watched, are nan and not a number too small."""
    found = feed(store, "OKX")
    blind = [bar for bar in found.bars if np.isnan(bar.liquidated_long)]
    gap = [bar for bar in blind if GAP[0] < bar.ts <= GAP[1] + 5 * MINUTE_NS]
    assert gap
    assert len(blind) > len(gap)
    assert np.isnan([bar.liquidated_short for bar in blind]).all()


@pytest.mark.unmeasured
@pytest.mark.parametrize("venue", ["BINANCE", "OKX"])
def test_bars_are_the_same_whenever_they_are_made(
    store: Path, tapes: dict[str, Prints], tmp_path: Path, venue: str
) -> None:
    """A store that ends earlier gives the same bars up to there, as does another window, minute by minute too."""
    end = NOON - 2 * HOUR_NS
    early = stored(tmp_path / "early.db", tapes, end)
    then, now = feed(early, venue, end, 6), feed(store, venue, NOON, 10)
    by_ts = {bar.ts: bar for bar in now.bars}
    assert [bar for bar in then.bars if by_ts[bar.ts].liquidated_long == bar.liquidated_long]
    for bar in then.bars:
        other = by_ts[bar.ts]
        for name in ("liquidated_long", "liquidated_short", "trust"):
            assert getattr(bar, name) == pytest.approx(getattr(other, name), rel=1e-9, nan_ok=True)
    with SqliteReader.open(store) as reader:
        apart = [
            bar for at in (end - MINUTE_NS, end) for bar in minute_bars(reader, contract(venue), at - MINUTE_NS, at)
        ]
        together = minute_bars(reader, contract(venue), end - 2 * MINUTE_NS, end)
    assert [bar.liquidated_long for bar in apart] == pytest.approx([bar.liquidated_long for bar in together])


def test_lessons_are_kept_but_not_for_ever(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute more reads no week again; the oldest lessons go."""
    feed(store, "BINANCE", NOON, 2)
    with SqliteReader.open(store) as reader:
        estimator = totals_causal.Estimator(reader, "BTC", NOON - MINUTE_NS, NOON)
        monkeypatch.setattr(totals_causal.Estimator, "_past", property(lambda _: pytest.fail("read the week again")))
        estimator.estimated(contract("BINANCE").id)
    monkeypatch.setattr(totals_causal, "_MOST_LESSONS", 2)
    lessons = totals_causal._Lessons()
    made = Lesson((), None, {})
    for name in "abc":
        lessons.get((name,), lambda: made)
    assert len(lessons._kept) == 2


@pytest.mark.unmeasured
def test_the_map_and_sentiment_say_what_is_estimated(store: Path, tapes: dict[str, Prints]) -> None:
    """Shares by venue and notes at the map; at sentiment the interval, which holds the truth."""
    found = read_map(store, Question(name="BTC", lookback_h=2.0))
    shares = {venue.venue: venue.estimated_share for venue in found.venues}
    assert shares["binance"] == 1.0
    assert any("learnt from sampled liquidations, estimated in 100% of their minutes" in note for note in found.notes)
    alone = read_sentiment(store, contract("BINANCE").id)
    row = next(row for row in alone.figures if row.name == "liq_imbalance")
    assert row.basis == "estimated"
    true = tapes["BINANCE"].between(NOON // SECOND - 4 * 3600, NOON // SECOND)
    for side, is_long in zip(alone.liquidations, (True, False), strict=True):
        whole = float(true.usd[true.is_long == is_long].sum())
        assert side.observed_usd < side.estimated_usd
        assert side.high_usd is not None
        assert side.low_usd * 0.98 <= whole <= side.high_usd * 1.02
    assert any("estimated from samples" in note for note in alone.notes)
    every = read_sentiment(store, contract("HYPERLIQUID").id, events=True)
    assert every.liquidations[0].high_usd is None, "a watchlist is a floor"
    assert any("what venues publish" in note for note in every.notes)
