"""How long a newcomer waited: the first event and the first closed candle after the opening."""

import time
from pathlib import Path

import pytest

from perpscope.app import demo_firsts
from perpscope.app.demo_firsts import Firsts, since_start_s
from perpscope.lab.dialect import dialect
from perpscope.lab.symbols import CONTRACTS
from perpscope.model.market import Candle, Interval, Tick
from perpscope.model.stream import Channel
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import FeedState, FeedStatus, HeartStatus, StoreKind

S = 1_000_000_000
START = 1_795_219_200 * S
BTC = dialect("binance").instrument(CONTRACTS[0])


def minute(ts_open: int) -> Candle:
    """A closed candle."""
    figures = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0, 1.0)
    return Candle(BTC.id, ts_open + 60 * S, ts_open + 60 * S, Interval.M1, ts_open, *figures, is_closed=True)


def test_what_was_before_the_opening_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two is noted once, when it is there; it is not looked for oftener than there is time."""
    monkeypatch.setattr(demo_firsts, "_EVERY_S", 0.0)
    store = SqliteStore.open(tmp_path / "d.db", kind=StoreKind.DEMO)
    store.register([BTC])
    store.sink().accept(minute(START - 60 * S))
    store.sink().accept(Tick(START))
    store.flush()
    firsts = Firsts(tmp_path / "d.db", START)

    def look() -> tuple[bool, bool]:
        firsts.look(None)  # type: ignore[arg-type]  # it is the store that is looked at
        told = firsts.told()
        return told.first_event_s is not None, told.first_candle_s is not None

    assert look() == (False, False)
    store.sink().accept(minute(START))
    store.sink().accept(Tick(START + S))
    store.flush()
    assert look() == (False, True)
    feed = FeedStatus("binance", Channel.TRADES, FeedState.LIVE, START, 5, 0)
    store.report([feed], HeartStatus(1, START, START, 60.0, True))
    store.sink().accept(Tick(START + 2 * S))
    store.flush()
    assert look() == (True, True)
    seen = firsts.told()
    store.close()
    assert look() == (True, True)
    assert firsts.told() == seen
    assert seen.ready_s <= (seen.first_candle_s or 0.0) <= (seen.first_event_s or 0.0)


def test_nobody_looks_all_the_time(tmp_path: Path) -> None:
    """A tick comes fifty times a second: the store is not opened each time, and so it need not be there."""
    firsts = Firsts(tmp_path / "none.db", START)
    firsts.look(None)  # type: ignore[arg-type]  # as above
    assert firsts.told().first_event_s is None


def test_the_program_knows_how_long_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it was started, as the system tells; where that does not tell, since it was first asked."""
    before = since_start_s()
    assert before > 0.0
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert since_start_s() >= 0.0
