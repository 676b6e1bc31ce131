"""A store as the data of a backtest: its minutes, marks, funding and liquidations, in the order they were known."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.unit.backtest_data import BEGIN_MS, SWINGING, Swinging, candle_file, walk

from perpscope.app import venues
from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.gather import gathered
from perpscope.app.backtest.run import backtest
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    Candle,
    Completeness,
    FundingPaid,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Tick,
)
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.trading.strategy import Needs

BEGIN = BEGIN_MS * 1_000_000
MINUTE = 60_000_000_000


def named(symbol: str = "BTCUSDT") -> Instrument:
    """Of Binance's."""
    found = venues.find("binance").instrument_named(symbol)
    assert found is not None
    return found


def events(instrument: Instrument, count: int = 120) -> list[MarketEvent]:
    """Closed minutes, a mark near the end of each, open interest, and a liquidation that was filled in later."""
    told: list[MarketEvent] = []
    name = instrument.id
    for ms, first, high, low, last, volume in walk(count):
        opened = int(ms) * 1_000_000
        late = opened + MINUTE - 1_000_000_000
        due = (opened // (60 * MINUTE) + 1) * 60 * MINUTE
        told.append(MarkPrice(name, late, late, last, last, 1e-4, due))
        told.append(OpenInterest(name, late, late + 100 * MINUTE, 1000.0, None))
        close = opened + MINUTE
        figures = (first, high, low, last, volume, volume * last, 10, volume / 2, volume * last / 2)
        told.append(Candle(name, close - 1, close + 5, Interval.M1, opened, *figures, True))
    whole = (Completeness.COMPLETE, Sampling.NONE)
    told.append(Liquidation(name, BEGIN + MINUTE, BEGIN + 99 * MINUTE, PositionSide.LONG, 1.0, 6e4, None, *whole))
    return told


def store_of(path: Path, *told: MarketEvent, instruments: tuple[Instrument, ...], kind: StoreKind) -> Path:
    """A store that holds these."""
    store = SqliteStore.open(path, kind=kind)
    store.register(instruments)
    for event in told:
        store.sink().accept(event)
    store.sink().accept(Tick(BEGIN + 500 * MINUTE))
    store.flush()
    store.close()
    return path


def test_a_store_is_run_over(tmp_path: Path) -> None:
    """Its minutes and marks, funding as the marks told it was due; the same run twice. Keeps B23."""
    path = store_of(tmp_path / "m.db", *events(named()), instruments=(named(),), kind=StoreKind.DEMO)
    found = gathered([], Asked(), database=path)
    assert (found.instrument.id, found.data, found.sources) == ("BTC-USDT-PERP.BINANCE", "demo", ["store"])
    assert (found.coverage, found.interval_ns, found.offers) == (1.0, MINUTE, Needs.CANDLES | Needs.MAP)
    told = list(found.events())
    assert [event.ts_recv for event in told] == sorted(event.ts_recv for event in told)
    paid = [event for event in told if isinstance(event, FundingPaid)]
    assert [(event.ts_event - BEGIN) // MINUTE for event in paid] == [60]
    assert any("DEMO DATA" in note for note in found.notes)
    runs = [backtest(SWINGING, Swinging(), found, Settings(), path="both") for _ in range(2)]
    assert runs[0].summary.hash == runs[1].summary.hash
    assert runs[0].summary.trades > 5


def test_what_was_filled_in_later_counts_when_it_happened(tmp_path: Path) -> None:
    """A backfilled row has the receipt of the backfill: in a history it stands where it belongs."""
    path = store_of(tmp_path / "m.db", *events(named()), instruments=(named(),), kind=StoreKind.OBSERVED)
    told = list(gathered([], Asked(), database=path).events())
    (forced,) = [event for event in told if isinstance(event, Liquidation)]
    assert forced.ts_recv == forced.ts_event
    assert all(event.ts_recv == event.ts_event for event in told if isinstance(event, OpenInterest))


def test_funding_as_published_outranks_what_was_due(tmp_path: Path) -> None:
    """The venue's own payments are taken where it told them all. Keeps B23."""
    told = FundingPaid(named().id, BEGIN + 60 * MINUTE, BEGIN + 61 * MINUTE, 0.005, 60_000.0)
    path = store_of(tmp_path / "m.db", *events(named()), told, instruments=(named(),), kind=StoreKind.OBSERVED)
    found = gathered([], Asked(), database=path)
    (paid,) = [event for event in found.events() if isinstance(event, FundingPaid)]
    assert (paid.funding_rate, paid.mark) == (0.005, 60_000.0)
    assert any("as published" in note for note in found.notes)


def test_a_store_of_several_wants_a_name(tmp_path: Path) -> None:
    """One instrument at a time; a part of its time; and what is not there is said."""
    both = (named(), named("ETHUSDT"))
    path = store_of(tmp_path / "m.db", *events(both[0]), *events(both[1]), instruments=both, kind=StoreKind.OBSERVED)
    with pytest.raises(ConfigError) as caught:
        gathered([], Asked(), database=path)
    assert caught.value.code == "backtest-several"
    asked = Asked(symbol="ETH", from_ns=BEGIN + 10 * MINUTE, to_ns=BEGIN + 40 * MINUTE)
    found = gathered([], asked, database=path)
    assert (found.instrument.base, len(found.tape.tables.candles)) == ("ETH", 30)
    for asked in (Asked(symbol="ETH", to_ns=BEGIN - 1), Asked(venue="okx")):
        with pytest.raises(DataError) as missing:
            gathered([], asked, database=path)
        assert missing.value.code == "backtest-empty"


def test_a_store_lends_its_catalogue_to_files(tmp_path: Path) -> None:
    """With files named, the store beside which the run is kept tells the contract. Keeps B23."""
    kept = msgspec.structs.replace(named(), tick_size=Decimal("0.5"), step_size=Decimal("0.002"))
    path = store_of(tmp_path / "m.db", instruments=(kept,), kind=StoreKind.OBSERVED)
    found = gathered([candle_file(tmp_path, 30)], Asked(), database=path)
    assert found.instrument.tick_size == Decimal("0.5")
    assert any("the store's catalogue" in note for note in found.notes)
