"""`perpscope sentiment`: from a store of three venues to the index, its sources, its holes, and what is refused."""

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
import structlog
from tests.contract.store_events import NOON, SECOND, heart

from perpscope.app.sentiment.grid import Grid
from perpscope.app.sentiment.reading import Answer, read_sentiment
from perpscope.cli.sentiment import print_sentiment, sentiment
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Contract, Instrument, instrument_id
from perpscope.model.market import (
    AccountRatio,
    Candle,
    Completeness,
    Covered,
    FundingPaid,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    RatioKind,
    Sampling,
    TakerVolume,
    Tick,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

DAYS = 4
QUARTER = 900
STEPS = DAYS * 96
NOW = STEPS * QUARTER
OPEN_INTEREST = {"binance": 60_000.0, "bybit": 30_000.0, "okx": 10_000.0}


def contract(venue: str, base: str, kind: Contract = Contract.LINEAR) -> Instrument:
    """A perpetual of some venue, funded each eight hours."""
    quote = "USDT" if kind is Contract.LINEAR else "USD"
    name = instrument_id(venue, base, quote)
    symbol = f"{base}{quote}" if venue != "okx" else f"{base}-{quote}-SWAP"
    return Instrument(
        id=name, venue=venue, symbol=symbol, base=base, quote=quote, contract=kind, funding_interval_h=8.0
    )


CONTRACTS = [contract(venue, "BTC") for venue in OPEN_INTEREST]
OTHERS = [contract("bybit", "BTC", Contract.INVERSE), contract("binance", "ETH")]


def moment(step: int) -> int:
    """End of a quarter hour, ns UTC."""
    return NOON + step * QUARTER * SECOND


def quarter(of: Instrument, step: int, rng: np.random.Generator, close: float) -> Iterator[MarketEvent]:
    """What one venue tells in a quarter hour."""
    ts = moment(step)
    wave = 0.05 * np.sin(step / 9.0) + 0.01 * rng.standard_normal()
    level = {"binance": 0.58, "bybit": 0.52, "okx": 0.5}[of.venue]
    rate = None if of.venue == "okx" else 1e-4 + 1e-5 * rng.standard_normal()
    yield MarkPrice(of.id, ts, ts + 1, close * (1.0 + 1e-4 * wave), close, rate, ts)
    if of.venue == "okx" and step % 32 == 0:
        yield FundingPaid(of.id, ts, ts + 1, 1e-4 + 1e-5 * rng.standard_normal(), None)
    held = OPEN_INTEREST[of.venue] * (1.0 + 0.02 * wave)
    yield OpenInterest(of.id, ts, ts + 1, held, held * close)
    yield AccountRatio(of.id, ts, ts + 1, RatioKind.ALL_ACCOUNTS, 300, level + wave)
    yield AccountRatio(of.id, ts, ts + 1, RatioKind.ALL_ACCOUNTS, 3600, 0.9)
    if of.venue != "bybit":
        yield AccountRatio(of.id, ts, ts + 1, RatioKind.TOP_POSITIONS, 300, level - wave)
        yield TakerVolume(of.id, ts, ts + 1, 300, 10.0 * (1.0 + wave), 10.0)
    ts_open = ts - 60 * SECOND
    volume = float(np.exp(0.2 * rng.standard_normal()))
    prices = (close, close, close, close)
    yield Candle(of.id, ts, ts + 1, Interval.M1, ts_open, *prices, volume, None, None, None, None, is_closed=True)


def liquidation(of: Instrument, step: int, side: PositionSide, size: float) -> Liquidation:
    """One position closed by force in the middle of a quarter hour, as the venue publishes it."""
    ts = moment(step) - 400 * SECOND
    kind = (Completeness.COMPLETE, Sampling.NONE)
    if of.venue == "binance":
        kind = (Completeness.SAMPLED, Sampling.LARGEST_1S)
    return Liquidation(of.id, ts, ts + 1, side, size, 60_000.0, None, *kind)


def make(path: Path, silent: str | None = None) -> Path:
    """A store of four days; one venue may tell nothing of the last six hours."""
    rng = np.random.default_rng(11)
    closes = 60_000.0 * np.exp(np.cumsum(0.001 * rng.standard_normal(STEPS + 1)))
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([*CONTRACTS, *OTHERS])
        for of in CONTRACTS:
            last = STEPS - 24 if of.venue == silent else STEPS
            for step in range(1, last + 1):
                for event in quarter(of, step, rng, float(closes[step])):
                    store.sink().accept(event)
            for step in range(4, last + 1, 4):
                side = PositionSide.SHORT if step % 20 else PositionSide.LONG
                store.sink().accept(liquidation(of, step, side, 1.0))
            for channel in (Channel.LIQUIDATIONS, Channel.MARK_PRICES):
                streams = (Stream(channel, of.id),)
                store.sink().accept(
                    Covered(of.venue, f"{of.venue}/0", streams, NOON, moment(last), is_open=True, ts_recv=moment(last))
                )
        store.report([], heart(NOW))
        store.sink().accept(Tick(moment(STEPS)))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which every venue tells everything it does."""
    return make(tmp_path_factory.mktemp("whole") / "market.db")


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One in which Binance fell silent six hours ago."""
    return make(tmp_path_factory.mktemp("holed") / "market.db", silent="binance")


def told(found: Answer, name: str) -> dict[str, str]:
    """Venue → verdict of one figure."""
    row = next(row for row in found.figures if row.name == name)
    return {source.venue: source.verdict.value for source in row.sources}


def test_a_coin_is_all_its_venues(whole: Path) -> None:
    """Nine figures of three venues, weighed by open interest; inverse contracts are no base units. Keeps S0-06."""
    found = read_sentiment(whole, "btc")
    assert found.instruments == sorted(contract.id for contract in CONTRACTS)
    assert found.data is StoreKind.DEMO
    assert found.at_ms == moment(STEPS) // 10**6
    assert found.sentiment.value is not None
    assert found.sentiment.coverage > 0.9
    assert sum(part.points for part in found.sentiment.contributions) == pytest.approx(found.sentiment.value - 50.0)
    shares = {source.venue: source.share for source in found.figures[0].sources}
    assert shares == pytest.approx({"binance": 0.6, "bybit": 0.3, "okx": 0.1}, abs=0.01)
    assert set(told(found, "top_positions")) == {"binance", "okx"}
    assert found.history_days == pytest.approx(DAYS)
    assert any("4.0 days of history, of 30" in note for note in found.notes)


def test_figures_are_as_people_say_them(whole: Path) -> None:
    """Ratios as longs over shorts of five-minute periods, funding per 8 h, liquidations as observed."""
    rows = {row.name: row for row in read_sentiment(whole, "BTC").figures}
    accounts = rows["ls_accounts"].level
    assert accounts is not None
    assert 0.8 < accounts < 2.0, "and not the nine of the longer period"
    assert rows["funding"].level == pytest.approx(1e-4, abs=5e-5)
    assert set(told(read_sentiment(whole, "BTC"), "funding")) == {"binance", "bybit", "okx"}
    assert rows["volatility"].level == pytest.approx(0.001 * 96**0.5, rel=0.4)
    assert rows["liq_imbalance"].basis == "observed, sampled"
    assert rows["liq_imbalance"].level is not None
    assert rows["liq_imbalance"].level > 0.0, "more shorts than longs were liquidated"
    assert rows["liq_imbalance"].coverage_24h == pytest.approx(1.0)
    assert rows["taker"].coverage_24h is None, "nothing is known about that feed"
    assert {row.basis for row in rows.values()} == {"observed", "observed, sampled"}


def test_a_venue_that_falls_silent_is_replaced_by_the_others(whole: Path, holed: Path) -> None:
    """Binance is stale in every figure, the others stand in, and the index stays close. Keeps S0-51."""
    found, before = read_sentiment(holed, "BTC"), read_sentiment(whole, "BTC")
    for name in ("ls_accounts", "funding", "basis", "oi_trend"):
        assert told(found, name)["binance"] == "stale"
        assert found.figures[0].told_by == pytest.approx(0.4, abs=0.01)
    assert found.sentiment.value is not None
    assert before.sentiment.value is not None
    assert abs(found.sentiment.value - before.sentiment.value) < 25.0
    assert "ls_accounts of binance: stale" in found.notes
    assert found.figures[2].coverage_24h == pytest.approx((18 + 24 + 24) / 72, abs=0.01)


def test_one_contract_alone(whole: Path) -> None:
    """A symbol or an id is one contract; a venue that is not sampled says nothing of samples."""
    found = read_sentiment(whole, "BTC-USDT-PERP.BYBIT")
    assert found.instruments == ["BTC-USDT-PERP.BYBIT"]
    assert {row.basis for row in found.figures} == {"observed"}
    missing = {part.name for part in found.sentiment.contributions if part.why == "missing"}
    assert missing == {"top_positions", "taker"}
    assert len(read_sentiment(whole, "BTCUSDT").instruments) == 2


def test_the_risk_score_stands_beside_it(whole: Path) -> None:
    """All four parts known, sides that sum to the score, a word. Keeps S0-21, S0-22, S0-23 and S0-24."""
    found = read_sentiment(whole, "BTC").risk
    assert found.score.coverage == 1.0
    assert found.score.value is not None
    assert found.level in {"LOW", "ELEVATED", "HIGH", "EXTREME"}
    assert found.history["volume"] == pytest.approx(STEPS - 1, abs=2)


def test_the_last_day_goes_with_it(whole: Path) -> None:
    """96 quarter hours, the last one now and as the index has it, but for what it knows of ages."""
    found = read_sentiment(whole, "BTC")
    assert len(found.recent) == 96
    ts, value = found.recent[-1]
    assert ts == found.at_ms
    assert value == pytest.approx(found.sentiment.value, abs=1.0)
    assert found.recent[0][0] == found.at_ms - 95 * QUARTER * 1000


@pytest.mark.parametrize("name", ["BTX", "DOGE", "BTCUSD"])
def test_a_name_nobody_knows_is_refused(whole: Path, name: str) -> None:
    """With what was perhaps meant; the inverse contract is none of ours."""
    with pytest.raises(ConfigError) as caught:
        read_sentiment(whole, name)
    assert caught.value.code == "symbol-unknown"
    assert caught.value.hint


def test_no_price_is_no_sentiment(whole: Path, tmp_path: Path) -> None:
    """A contract that is known by its name alone; and no store at all."""
    with pytest.raises(DataError) as caught:
        read_sentiment(whole, "ETH")
    assert caught.value.code == "window-empty"
    with pytest.raises(DataError):
        read_sentiment(tmp_path / "none.db", "BTC")


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    """Nothing listed at all is a hint to collect."""
    path = tmp_path / "empty.db"
    SqliteStore.open(path, kind=StoreKind.OBSERVED).close()
    with pytest.raises(ConfigError) as caught:
        read_sentiment(path, "BTC")
    assert caught.value.hint == "collect something first"


def test_a_store_of_prices_alone(tmp_path: Path) -> None:
    """Two hours of one venue's marks: no index, no risk, and every hole is named."""
    path = tmp_path / "young.db"
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([CONTRACTS[0]])
        for step in range(8):
            store.sink().accept(MarkPrice(CONTRACTS[0].id, moment(step), moment(step), 100.0 + step, None, None, None))
        store.report([], heart(7 * QUARTER))
        store.sink().accept(Tick(moment(7)))
    found = read_sentiment(path, "BTC")
    assert found.sentiment.value is None
    assert found.risk.score.value is None
    out = io.StringIO()
    print_sentiment(found, out)
    assert "sentiment not known" in out.getvalue()
    assert "risk not known" in out.getvalue()
    assert out.getvalue().count("missing") >= 7


def test_a_month_is_a_whole_history(tmp_path: Path) -> None:
    """With 31 days of prices nothing is said of a short history."""
    path, rng = tmp_path / "month.db", np.random.default_rng(1)
    last = 31 * 96
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([CONTRACTS[0]])
        for step, moved in enumerate(np.cumsum(0.001 * rng.standard_normal(last + 1)).tolist()):
            mark = MarkPrice(
                CONTRACTS[0].id, moment(step), moment(step), 100.0 * float(np.exp(moved)), None, None, None
            )
            store.sink().accept(mark)
        store.report([], heart(last * QUARTER))
        store.sink().accept(Tick(moment(last)))
    found = read_sentiment(path, "BTC")
    assert found.history_days == pytest.approx(31.0)
    assert not any("of history" in note for note in found.notes)


def test_what_people_see(whole: Path, holed: Path) -> None:
    """A label, the index, nine lines, the risk, and notes, within 80 columns where no note is longer."""
    for path in (whole, holed):
        out = io.StringIO()
        print_sentiment(read_sentiment(path, "BTC"), out)
        lines = out.getvalue().splitlines()
        assert lines[0] == "DEMO DATA: no real market"
        assert lines[2].startswith("sentiment ")
        assert sum(line.startswith("risk ") for line in lines) == 1
        assert max(len(line) for line in lines if not line.startswith("note:")) <= 90


def test_the_command(whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One JSON object on one line with the fields of the contract, or a page for people; the file is named aside."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(whole.parent))
    sentiment("BTC", db=whole, json=True)
    told = capsys.readouterr()
    assert told.out.count("\n") == 1
    assert str(whole) in told.err
    found = json.loads(told.out)
    assert set(found) == set(Answer.__struct_fields__)
    assert found["data"] == "demo"
    assert [part["name"] for part in found["sentiment"]["contributions"]] == [row["name"] for row in found["figures"]]
    sentiment("BTC", db=whole)
    assert "sentiment " in capsys.readouterr().out
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of minutes of one venue; an hour before the end the price falls 8 % in ten minutes."""
    path, of, rng = tmp_path_factory.mktemp("crashed") / "market.db", CONTRACTS[0], np.random.default_rng(3)
    last = 2 * 1440
    crash = range(last - 60, last - 50)
    close, held = 60_000.0, 5_000.0
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([of])
        for minute in range(1, last + 1):
            falls = minute in crash
            close *= float(np.exp(1e-4 * rng.standard_normal())) * (0.92**0.1 if falls else 1.0)
            held *= 0.98 if falls else 1.0
            end = NOON + minute * 60 * SECOND
            ts = end - 30 * SECOND
            store.sink().accept(MarkPrice(of.id, ts, ts + 1, close, close, 0.002, None))
            store.sink().accept(OpenInterest(of.id, ts, ts + 1, held, None))
            volume = float(np.exp(0.2 * rng.standard_normal())) * (20.0 if falls else 1.0)
            bar = (close, close, close, close, volume, None, None, None, None)
            store.sink().accept(Candle(of.id, end, end + 1, Interval.M1, end - 60 * SECOND, *bar, is_closed=True))
            if falls or minute % 7 == 0:
                size = 10.0 if falls else 0.01
                kind = (Completeness.SAMPLED, Sampling.LARGEST_1S)
                store.sink().accept(Liquidation(of.id, ts, ts + 1, PositionSide.LONG, size, close, None, *kind))
        streams, end = (Stream(Channel.LIQUIDATIONS, of.id),), NOON + last * 60 * SECOND
        store.sink().accept(Covered(of.venue, "binance/0", streams, NOON, end, is_open=True, ts_recv=end))
        store.report([], heart(last * 60))
        store.sink().accept(Tick(end))
    return path


def test_cascades_of_the_last_day(crashed: Path) -> None:
    """Both rules find the fall in the store, with its side, size and minutes. Keeps S0-36."""
    found = read_sentiment(crashed, "BTC", events=True)
    assert found.events is not None
    assert {event.rule.value for event in found.events} == {"seed", "score"}
    assert len(found.events) == 2
    for event in found.events:
        assert event.side is PositionSide.LONG
        assert event.trough_return == pytest.approx(-0.08, abs=0.005)
        assert event.forced_usd == pytest.approx(100.0 * 57_500.0, rel=0.15)
        assert event.watched == 1.0
        assert 50 <= (found.at_ms * 10**6 - event.ts_detected) / (60 * SECOND) <= 60
    out = io.StringIO()
    print_sentiment(found, out)
    assert out.getvalue().count("▼ long cascade by ") == 2
    assert read_sentiment(crashed, "BTC").events is None


def test_no_cascade_is_said(whole: Path, crashed: Path) -> None:
    """An empty list is a finding; one of shorts, and one that lasts, read as such."""
    found = read_sentiment(whole, "BTC", events=True)
    assert found.events == []
    out = io.StringIO()
    print_sentiment(found, out)
    assert "no cascade in the last 24 h" in out.getvalue()
    events = read_sentiment(crashed, "BTC", events=True).events
    assert events
    other = msgspec.structs.replace(events[0], side=PositionSide.SHORT, ts_end=None)
    print_sentiment(msgspec.structs.replace(found, events=[other]), out)
    assert "▲ short cascade by " in out.getvalue()
    assert "· lasts ·" in out.getvalue()


def test_an_observed_store_needs_no_label(tmp_path: Path) -> None:
    """DEMO DATA stands above demo data only; a whole month of history is not remarked upon."""
    found = read_sentiment(make(tmp_path / "market.db"), "BTC")
    out = io.StringIO()
    print_sentiment(msgspec.structs.replace(found, data=StoreKind.OBSERVED), out)
    assert out.getvalue().startswith("BTC · ")


def test_a_grid_ends_now() -> None:
    """A step's end belongs to it; what is before the first or after the last is left out."""
    grid = Grid(now_ns=moment(10), steps=4)
    assert grid.places([moment(6), moment(6) + 1, moment(7), moment(10), moment(10) + 1]).tolist() == [-1, 0, 0, 3, 4]
    assert grid.last([moment(6), moment(7), moment(10), moment(11)], [1.0, 2.0, 3.0, 4.0])[[0, 3]].tolist() == [
        2.0,
        3.0,
    ]
    assert grid.total([moment(7), moment(7) - 5], [1.0, 2.0])[0] == 3.0


def test_the_last_day_stands_behind_the_index(whole: Path, holed: Path) -> None:
    """Each figure and the market at the moments of `recent`; a venue that fell silent is a hole, not a line."""
    found = read_sentiment(whole, "BTC")
    assert len(found.recent) == 96
    for row in found.figures:
        assert len(row.past) == 96, row.name
        assert row.level is not None
        if row.name not in {"liq_imbalance", "oi_trend"}:
            assert row.past[-1] == pytest.approx(row.level, rel=1e-5)
    market = found.market
    assert [venue.venue for venue in market.venues] == ["binance", "bybit", "okx"]
    for venue in market.venues:
        assert venue.open_interest[-1] == pytest.approx(OPEN_INTEREST[venue.venue], rel=0.02)
    assert len(market.price) == len(market.long_usd) == len(market.short_usd) == 96
    silent = next(venue for venue in read_sentiment(holed, "BTC").market.venues if venue.venue == "binance")
    assert silent.open_interest[-20:] == [None] * 20
    assert silent.open_interest[0] is not None
