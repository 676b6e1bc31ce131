"""The agent market behind the venues' wires: what is told of it is what it did."""

import copy
import math
import multiprocessing
import pickle
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from perpscope.errors import ConfigError, DataError
from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.agents.lived import live
from perpscope.lab.agents.past import Making, Past, load, make, save
from perpscope.lab.agents.people import stances
from perpscope.lab.agents.truth import Truth
from perpscope.lab.agents.world import Shock
from perpscope.lab.crowds import People, gathered, write_truths
from perpscope.lab.dialect import VENUES, dialect
from perpscope.lab.happening import Happening
from perpscope.lab.market import Market, led
from perpscope.lab.prehistory import summed
from perpscope.lab.rehearsal import START_NS
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Quote,
    Side,
    Trade,
)

pytestmark = pytest.mark.unmeasured

_S = 1_000_000_000
_MINUTE, _HOUR, _DAY = 60 * _S, 3600 * _S, 86_400 * _S
_SECONDS = 240
_FALL = (Shock(60.0, 90.0, -0.15),)  # of which many are closed by force
_ROWS = range(len(VENUES))

Told = list[tuple[int, Happening]]


@pytest.fixture(scope="module")
def past() -> Past:
    """Nine hours of three thousand people, over the paying of a funding; a fall of the index is to come."""
    return live(11, "BTC", START_NS, days=0.375, agents=3000, shocks=_FALL)


@pytest.fixture(scope="module")
def crowd(past: Past) -> Crowd:
    """One that remembers the opening as it was."""
    return Crowd(copy.deepcopy(past), keeps_truth=True)


@pytest.fixture(scope="module")
def told(crowd: Crowd) -> dict[str, Told]:
    """Four minutes on five venues."""
    return _play(crowd)


@pytest.fixture(scope="module")
def truth(crowd: Crowd, told: dict[str, Told]) -> Truth:
    """What really happened in them."""
    assert told
    return crowd.truth()


def _play(crowd: Crowd, step_s: float = 1.0) -> dict[str, Told]:
    markets = led([dialect(venue) for venue in VENUES], 11, START_NS, ("BTC",), 6.0, {"BTC": crowd})
    told: dict[str, Told] = {venue: [] for venue in VENUES}
    for number in range(round(_SECONDS / step_s) + 1):
        for venue, market in zip(VENUES, markets, strict=True):
            told[venue] += market.events(START_NS + round(number * step_s * _S))
    return told


def _tick(venue: str) -> float:
    (listing,) = Market(1, START_NS, ("BTC",), wire=dialect(venue)).listings
    return float(listing.instrument.tick_size or 0)


def _sums(events: Told) -> Iterator[tuple[int, float, float]]:
    """Second, and what takers bought and sold in it."""
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for ts, event in events:
        if isinstance(event, Trade) and ts < START_NS + _SECONDS * _S:
            sums[(ts - START_NS) // _S][event.side is Side.SELL] += event.size
    yield from ((second, sums[second][0], sums[second][1]) for second in range(_SECONDS))


@pytest.mark.parametrize("row", _ROWS, ids=VENUES)
def test_trades_of_each_second_are_what_the_crowd_traded(told: dict[str, Told], truth: Truth, row: int) -> None:
    """Protects volume: on every venue, to the lot, each side of each second is the truth's. Keeps B13."""
    sums = np.array(list(_sums(told[VENUES[row]])))
    assert np.allclose(sums[:, 1], truth.by_venue("bought")[:_SECONDS, row] * truth.lot, atol=1e-9)
    assert np.allclose(sums[:, 2], truth.by_venue("sold")[:_SECONDS, row] * truth.lot, atol=1e-9)
    assert sums[:, 1:].sum() > 1.0


@pytest.mark.parametrize("row", _ROWS, ids=VENUES)
def test_marks_and_open_interest_are_the_crowds(told: dict[str, Told], truth: Truth, row: int) -> None:
    """Protects what positions are judged by: mark, index and open interest after each second are the truth's own."""
    marks = {ts: event for ts, event in told[VENUES[row]] if isinstance(event, MarkPrice)}
    held = {ts: event.open_interest for ts, event in told[VENUES[row]] if isinstance(event, OpenInterest)}
    times = truth["market"]["ts"][:_SECONDS].tolist()
    assert np.allclose([marks[ts].mark for ts in times], truth.by_venue("mark")[:_SECONDS, row], atol=1e-8, rtol=0)
    assert np.allclose([marks[ts].index or 0.0 for ts in times], truth["market"]["index"][:_SECONDS], atol=1e-8, rtol=0)
    assert np.allclose([held[ts] for ts in times], truth.by_venue("open_interest")[:_SECONDS, row] * truth.lot)
    quotes = {ts - ts % _S: event for ts, event in told[VENUES[row]] if isinstance(event, Quote)}
    mids = [(quotes[ts - _S].bid + quotes[ts - _S].ask) / 2 for ts in times]
    assert np.allclose(mids, truth.by_venue("last")[:_SECONDS, row], rtol=5e-4)


@pytest.mark.parametrize("row", _ROWS, ids=VENUES)
def test_liquidations_are_the_crowds_one_by_one(told: dict[str, Told], truth: Truth, row: int) -> None:
    """Protects the truth of a complete feed: each closing by force is told once, at its time and size, on its tick."""
    tick, table = _tick(VENUES[row]), truth["liquidations"]
    mine = (table["venue"] == row) & (table["ts"] >= START_NS) & (table["ts"] < START_NS + _SECONDS * _S)
    events = [event for _, event in told[VENUES[row]] if isinstance(event, Liquidation)]
    assert [event.ts_event for event in events] == (table["ts"][mine] // 1_000_000 * 1_000_000).tolist()
    assert [event.size for event in events] == pytest.approx((table["lots"][mine] * truth.lot).tolist())
    assert [event.position_side is PositionSide.LONG for event in events] == (table["side"][mine] > 0).tolist()
    for event, fill, limit in zip(events, table["fill_price"][mine], table["bankruptcy_price"][mine], strict=True):
        assert (event.fill_price is None) == math.isnan(fill)
        assert event.fill_price is None or abs(event.fill_price - fill) <= tick / 2 + 1e-9
        assert event.bankruptcy_price == pytest.approx(limit, abs=tick / 2 + 1e-9)


def test_each_closing_by_force_is_a_trade_through_the_book(told: dict[str, Told], truth: Truth) -> None:
    """Protects what a forced order does: its fills are a taker's trade at their average price, and in the volume."""
    table, compared = truth["liquidations"], 0
    filled: dict[int, set[float]] = defaultdict(set)
    for ts, lots in zip(table["ts"].tolist(), table["filled_lots"].tolist(), strict=True):
        filled[ts // 1_000_000].add(round(lots * truth.lot, 8))
    for venue in VENUES:
        for (_, before), (_, event) in zip(told[venue], told[venue][1:], strict=False):
            if isinstance(event, Liquidation) and event.fill_price is not None:
                assert isinstance(before, Trade)
                assert (before.ts_event, before.price) == (event.ts_event, event.fill_price)
                assert before.side is (Side.SELL if event.position_side is PositionSide.LONG else Side.BUY)
                assert before.size in filled[event.ts_event // 1_000_000]
                compared += 1
    assert compared >= 5
    assert sum(isinstance(event, Liquidation) for events in told.values() for _, event in events) >= 20


def test_quotes_go_when_people_are_afraid(told: dict[str, Told], truth: Truth) -> None:
    """Protects the book: every best price is the book's own, and it thins out and opens as the crowd's quotes go."""
    depth, spread, present = {}, {}, truth["market"]["depth"]
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    for ts, event in told["bybit"]:
        if isinstance(event, BookSnapshot):
            bids, asks = dict(event.bids), dict(event.asks)
        elif isinstance(event, BookDelta):
            for side, changes in ((bids, event.bids), (asks, event.asks)):
                side.update(changes)
                for price, size in changes:
                    if size == 0:
                        del side[price]
        elif isinstance(event, Quote):
            assert (event.bid, event.bid_size) == (max(bids), bids[max(bids)])
            assert (event.ask, event.ask_size) == (min(asks), asks[min(asks)])
            assert event.bid < event.ask
            second = (ts - START_NS) // _S
            spread[second] = event.ask - event.bid
            if second not in depth:
                depth[second] = sum(size * price for price, size in bids.items() if price > event.bid * 0.995)
    calm, afraid = range(0, 50), [second for second in range(100, _SECONDS) if present[second] < 0.4]
    assert len(afraid) > 20
    thinner = np.mean([depth[at] for at in afraid]) / np.mean([depth[at] for at in calm])
    assert 0.3 < thinner / (np.mean(present[afraid]) / np.mean(present[:50])) < 1.5  # below: less than one step is none
    assert np.mean([spread[at] for at in afraid]) > 2 * np.mean([spread[at] for at in calm])


def test_same_past_gives_the_same_market_whatever_the_pacing(past: Past, told: dict[str, Told], truth: Truth) -> None:
    """Protects repeatability: asked for in other pieces, by as many venues, the same is told and true. Keeps S1-22."""
    crowd = Crowd(copy.deepcopy(past), keeps_truth=True)
    assert _play(crowd, 7.5) == told
    assert crowd.truth().hash() == truth.hash()


def test_candles_are_the_trades_and_go_on_from_the_past(past: Past, told: dict[str, Told]) -> None:
    """Protects charts: minutes without a hole or a jump from five weeks ago to now, and longer ones their sums."""
    crowd = Crowd(copy.deepcopy(past))
    market = Market(11, START_NS, ("BTC",), crowds={"BTC": crowd})
    events = list(market.events(START_NS + 2 * _MINUTE))
    now, oldest = START_NS + 2 * _MINUTE, START_NS - 34 * _DAY
    assert market.ts_oldest <= oldest
    minutes = list(market.candles("BTCUSDT", Interval.M1, oldest, now))
    assert [candle.ts_open for candle in minutes] == list(range(oldest, now, _MINUTE))
    closes = np.array([candle.close for candle in minutes])
    opens = np.array([candle.open for candle in minutes])
    assert np.abs(np.log(opens[1:] / closes[:-1])).max() < 0.002
    assert all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in minutes)
    for interval in (Interval.M15, Interval.H1):
        longer = [one for one in market.candles("BTCUSDT", interval, START_NS - _DAY, START_NS) if one.is_closed]
        assert len(longer) == _DAY // interval.ns
        for candle in longer:
            within = [one for one in minutes if candle.ts_open <= one.ts_open < candle.ts_open + interval.ns]
            assert summed(within, interval) == candle
    live_volume = sum(candle.volume for candle in minutes[-2:])
    traded = sum(event.size for ts, event in events if isinstance(event, Trade) and ts < now)
    assert live_volume == pytest.approx(traded)
    assert [event for ts, event in events if ts < now] == [event for ts, event in told["binance"] if ts < now]


def test_statistics_before_and_after_the_opening_are_the_crowds(past: Past) -> None:
    """Protects ratios and taker volumes: what REST says of a period is what the people held and did in it."""
    crowd = Crowd(copy.deepcopy(past))
    markets = led([dialect(venue) for venue in ("binance", "hyperliquid")], 11, START_NS, ("BTC",), 6.0, {"BTC": crowd})
    for market in markets:
        for _ in market.events(START_NS + 5 * _MINUTE):
            pass
    binance, hyperliquid = (market.holdings(market.listings[0].symbol) for market in markets)
    rows = binance.periods(5 * _MINUTE, START_NS - _HOUR, START_NS + 5 * _MINUTE + 1)
    assert [row.ts for row in rows] == [START_NS + number * 5 * _MINUTE for number in range(-12, 2)]
    before = rows[11]
    assert (before.open_interest, before.mark) == (past.open_interest[0, -6], past.mark[0, -6])
    assert before.taker_buy == pytest.approx(past.bought[0, -10:-5].sum())
    now = rows[-1]
    assert now.open_interest == pytest.approx(crowd.standing.open_interest[0], rel=0.02)
    assert crowd.ts == START_NS + 5 * _MINUTE + _S
    assert (now.long_fraction, now.top_long_fraction) != (before.long_fraction, before.top_long_fraction)
    paid = hyperliquid.fundings(START_NS - 9 * _HOUR, START_NS + 1)
    assert [row.ts for row in paid] == [START_NS - number * _HOUR for number in range(9, -1, -1)]
    assert paid[-1].rate == pytest.approx(past.market.funding[4] / 8, abs=1e-8)
    assert paid[1].rate == pytest.approx(past.funding_rate[4, 59], abs=1e-8)


def test_past_is_at_one_with_itself(past: Past) -> None:
    """Protects a store that is filled from it: whole minutes, prices that hang together, the market's own end."""
    assert past.places == VENUES
    assert (past.ts_begin, past.ts_end, past.market.ts) == (START_NS - 9 * _HOUR, START_NS, START_NS)
    assert np.array_equal(np.diff(past.ts_open), np.full(539, _MINUTE))
    assert np.array_equal(past.open[:, 1:], past.close[:, :-1])
    assert (past.low <= np.minimum(past.open, past.close)).all()
    assert (past.high >= np.maximum(past.open, past.close)).all()
    assert 1.2 < (past.high - past.low).mean() / np.abs(past.close - past.open).mean() < 6.0
    assert np.allclose(past.open_interest[:, -1], past.market.exchange.open_interest * past.market.setting.lot)
    assert np.allclose(past.mark[:, -1], past.market.mark)
    busy = past.trades > 0
    assert (busy == (past.bought + past.sold > 0)).all()
    assert (past.close[~busy] == past.open[~busy]).all()
    held = stances(past.market.exchange)
    assert np.array_equal(
        held, np.stack((past.long_accounts, past.long_top_accounts, past.long_top_positions))[..., -1]
    )
    assert ((held > 0) & (held < 1)).all()
    rows = past.liquidations
    assert {name: column.size for name, column in rows.items()} == dict.fromkeys(rows, rows["ts"].size)
    assert ((rows["ts"] >= past.ts_begin) & (rows["ts"] < past.ts_end)).all()
    assert (past.funding_rate[4, 59] * 8) == pytest.approx(past.funding_rate[4, 59] / 0.125)


def test_hours_that_began_in_the_invented_weeks_are_whole() -> None:
    """Protects the seam: an hour of which the crowd lived only a part has all its minutes, in candles and takers."""
    crowd = Crowd(live(11, "BTC", START_NS, days=70 / 1440, agents=100))
    market = Market(11, START_NS, ("BTC",), crowds={"BTC": crowd})
    begin = START_NS - 3 * _HOUR
    hours = [*market.candles("BTCUSDT", Interval.H1, begin, START_NS)]
    minutes = [*market.candles("BTCUSDT", Interval.M1, begin, START_NS)]
    assert len(minutes) == 180
    assert hours == [summed(minutes[at : at + 60], Interval.H1) for at in (0, 60, 120)]
    rows = market.holdings("BTCUSDT").periods(_HOUR, begin + 1, START_NS + 1)
    bought = [sum(minute.taker_buy_volume or 0.0 for minute in minutes[at : at + 60]) for at in (0, 60, 120)]
    assert [row.taker_buy for row in rows] == pytest.approx(bought)


async def test_lab_gathers_its_people() -> None:
    """Protects `--agents`: coins that have people get a crowd that lived up to the opening, the others none."""
    wire = dialect("okx")
    people = People(agents=100, past_days=0.01)
    crowds = await gathered(people, 7, wire, ("SOL-USDT-SWAP", "ALT3"), START_NS)
    assert {base: crowd.ts for base, crowd in crowds.items()} == {"SOL": START_NS}
    assert await gathered(None, 7, wire, (), START_NS) == {}
    again = await gathered(People(pasts={"SOL": crowds["SOL"].past}), 7, wire, ("BTC",), START_NS)
    assert again == {}


def test_people_who_hold_nothing_stand_nowhere(past: Past) -> None:
    """Protects the ratios of an empty venue: one half, not a division by nothing."""
    exchange = copy.deepcopy(past.market.exchange)
    exchange.lots[exchange.agents(2)] = 0.0
    assert stances(exchange)[:, 2].tolist() == [0.5, 0.5, 0.5]


def test_pasts_are_the_same_wherever_they_are_made(tmp_path: Path) -> None:
    """Protects a demo on any machine: in processes beside, here, or read back from a file, one seed has one past."""
    beside = make(3, ("BTC", "SOL"), START_NS, days=0.01, agents=100)
    here = make(3, ("SOL", "BTC"), START_NS, days=0.01, processes=1, agents=100)
    save(beside, tmp_path / "past")
    assert list(beside) == ["BTC", "SOL"]
    for pasts in (here, load(tmp_path / "past")):
        for base, past in pasts.items():
            assert past.close.tobytes() == beside[base].close.tobytes()
            twin = copy.deepcopy(beside[base].market)
            assert [past.market.step() for _ in range(5)] == [twin.step() for _ in range(5)]


def test_making_ends_when_it_is_not_wanted() -> None:
    """Protects Ctrl-C: makers that are still at it are ended, and who waits for them is told."""
    making = Making(3, ("BTC", "ETH"), START_NS, days=365.0, agents=100)
    making.close()
    with pytest.raises(DataError, match="BTC, ETH"):
        making.result()


def test_maker_that_dies_is_told_of() -> None:
    """Protects whoever waits: a maker that was killed leaves an error with the coin's name, not a wait for ever."""
    with Making(3, ("BTC",), START_NS, days=365.0, agents=100) as making:
        for process in multiprocessing.active_children():
            process.kill()
        with pytest.raises(DataError, match="BTC"):
            making.result()


def test_what_goes_wrong_in_a_maker_is_raised_here(tmp_path: Path) -> None:
    """Protects the message: an unknown coin, a crooked opening or a spoilt file is said in the house's words."""
    with pytest.raises(ConfigError, match="FOO"):
        make(3, ("FOO", "BTC"), START_NS, days=0.01, agents=100)
    with pytest.raises(ValueError, match="whole minutes"):
        make(3, ("BTC",), START_NS + 1, days=0.01, processes=1)
    (tmp_path / "spoilt").write_bytes(b"no past")
    for name in ("spoilt", "missing"):
        with pytest.raises(DataError, match=name):
            load(tmp_path / name)
    (tmp_path / "other").write_bytes(pickle.dumps({"BTC": 1}))
    with pytest.raises(DataError, match="no past"):
        load(tmp_path / "other")


def test_crowd_must_be_where_the_market_begins(past: Past) -> None:
    """Protects one time for all: a crowd at another moment, or a second nobody may ask for again, is refused."""
    with pytest.raises(ValueError, match="begins at"):
        Market(11, START_NS + _MINUTE, ("BTC",), crowds={"BTC": Crowd(past)})
    with pytest.raises(ValueError, match="keeps no truth"):
        Crowd(past).truth()
    with pytest.raises(ValueError, match="not in"):
        Crowd(past).join("kraken")
    with pytest.raises(KeyError):
        Crowd(past).second(START_NS - _S)
    other = copy.deepcopy(past)
    other.market.setting = msgspec.structs.replace(other.market.setting, lot_size=0.00025)
    with pytest.raises(ValueError, match="whole steps"):
        Market(11, START_NS, ("BTC",), crowds={"BTC": Crowd(other)})


def test_what_has_ended_is_forgotten_unless_the_truth_is_kept(past: Past) -> None:
    """Protects a demo that runs for days: within the hour a crowd forgets what nobody will ask for; none that keeps."""
    short = live(11, "BTC", START_NS - _MINUTE, days=0.05, agents=300)
    kept, plain = Crowd(copy.deepcopy(short), keeps_truth=True), Crowd(short)
    ended = kept.past.market.positions()["serial"].size
    for crowd in (kept, plain):
        for number in range(61):
            crowd.second(START_NS + (number - 60) * _S)
    assert plain.standing.last == kept.standing.last
    assert kept.past.market.positions()["serial"].size >= ended
    open_positions = np.count_nonzero(plain.past.market.exchange.lots)
    assert open_positions <= plain.past.market.positions()["serial"].size < ended
    assert past.market.liquidations()["ts"].size > 0


def test_truth_is_written_by_coin(crowd: Crowd, truth: Truth, tmp_path: Path) -> None:
    """Protects grading: the log of a lab's run is a folder of Parquet a coin, with every second since the opening."""
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = write_truths({"BTC": crowd}, tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in paths} >= {
        "BTC/market.parquet",
        "BTC/liquidations.parquet",
    }
    assert parquet.read_table(tmp_path / "BTC" / "market.parquet").num_rows == truth["market"]["ts"].size
    assert crowd.true_map()["lots"].sum() == np.abs(crowd.past.market.exchange.lots).sum()


def test_coins_without_people_are_made_of_chance_beside_them(past: Past) -> None:
    """Protects a mixed lab: a coin of chance goes on beside one of people, each on its own book and candles."""
    crowd = Crowd(copy.deepcopy(past))
    market = Market(11, START_NS, ("BTC", "ALT7"), crowds={"BTC": crowd})
    events = [event for _, event in market.events(START_NS + 20 * _S)]
    traded = {event.instrument for event in events if isinstance(event, Trade)}
    assert {str(one).split("-")[0] for one in traded} == {"BTC", "ALT7"}
    assert any(isinstance(event, Candle) for event in events)
