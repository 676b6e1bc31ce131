"""Our own recordings as the data of a backtest: what the ledger saw, what it missed, and books by the venue's rules."""

import asyncio
from pathlib import Path

import pytest
from tests.unit.backtest_data import BEGIN_MS, SWINGING, Swinging

from perpscope.app import venues
from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.frames import stepped
from perpscope.app.backtest.gather import gathered
from perpscope.app.backtest.run import backtest
from perpscope.errors import DataError
from perpscope.feeds.recording import Header, Recorder
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    Alive,
    Candle,
    Connected,
    Covered,
    Disconnected,
    FundingPaid,
    Gap,
    Liquidation,
    MarkPrice,
    Subscribed,
    Tick,
    Trade,
)
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Settings
from perpscope.trading.strategy import Needs

BEGIN = BEGIN_MS * 1_000_000
SECOND = 1_000_000_000
HOME = "binance/market/0"

TRADE = '{"e":"trade","E":%d,"T":%d,"s":"BTCUSDT","t":%d,"p":"%.1f","q":"0.5","X":"MARKET","m":false}'
MARK = '{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT","p":"%.1f","i":"60000.0","P":"60000.0","r":"0.0001","T":%d}'
CANDLE = (
    '{"e":"kline","E":%d,"s":"BTCUSDT","k":{"t":%d,"T":%d,"s":"BTCUSDT","i":"%s","f":1,"L":9,"o":"60000.0",'
    '"c":"60001.0","h":"60002.0","l":"59999.0","v":"5.0","n":9,"x":true,"q":"300000.0","V":"2.0","Q":"120000.0","B":"0"}}'
)
FORCED = (
    '{"e":"forceOrder","E":%d,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.5","p":"59990.0",'
    '"ap":"59995.0","X":"FILLED","l":"0.5","z":"0.5","T":%d}}'
)


def named() -> Instrument:
    """Binance's BTCUSDT."""
    found = venues.find("binance").instrument_named("BTCUSDT")
    assert found is not None
    return found


def recording(folder: Path, *, seconds: int = 300, blind: range = range(0), torn: bool = False) -> Path:
    """Trades and marks each second, minutes as they close, a liquidation; nothing while blind."""
    path = folder / "own.perpscope"
    instrument = named()
    channels = (Channel.TRADES, Channel.MARK_PRICES, Channel.CANDLES_1M, Channel.LIQUIDATIONS)
    streams = tuple(Stream(channel, instrument.id) for channel in channels)
    recorder = Recorder(path, Header(venue="binance", data="demo"))
    recorder.instruments("binance", BEGIN, [instrument])
    frames = 0
    for second in range(seconds):
        ms, ts = BEGIN_MS + second * 1000, BEGIN + second * SECOND
        if second == 0 or (blind and second == blind.stop):
            recorder.event(Connected("binance", HOME, ts))
            recorder.event(Subscribed("binance", HOME, streams, ts))
        if blind and second == blind.start:
            recorder.event(Disconnected(HOME, "disconnect", ts))
        if second not in blind:
            price = 60_000.0 + second % 7
            told = [TRADE % (ms, ms, second + 1, price), MARK % (ms, price, BEGIN_MS + 120_000)]
            if second % 60 == 59:
                told.append(CANDLE % (ms + 1000, ms - 59_000, ms + 999, "1m"))
            if second == 30:
                told.append(FORCED % (ms, ms))
            for frame in told:
                recorder.frame(HOME, ts + 1_000_000, frame.encode())
            frames += len(told)
            recorder.event(Alive(HOME, ts + 1_000_000, frames, ts + 2_000_000))
        recorder.event(Tick(ts + 2_000_000))
    recorder.close()
    if torn:
        path.write_bytes(path.read_bytes()[:-20])
    return path


def test_an_own_recording_tells_everything_once(tmp_path: Path) -> None:
    """Trades, marks, closed minutes, the liquidation, and the payment the marks name; as demo data. Keeps B23."""
    found = gathered([recording(tmp_path)], Asked(), database=None)
    assert (found.data, found.has_receipts, found.interval_ns) == ("demo", True, 60 * SECOND)
    assert found.coverage > 0.99
    told = list(found.events())
    counts = {kind: sum(isinstance(event, kind) for event in told) for kind in (Trade, MarkPrice, Candle, Liquidation)}
    assert counts == {Trade: 300, MarkPrice: 300, Candle: 5, Liquidation: 1}
    assert [event.ts_event - BEGIN for event in told if isinstance(event, FundingPaid)] == [120 * SECOND]
    assert not any(isinstance(event, Covered) for event in told)
    runs = [backtest(SWINGING, Swinging(every=2.0, held=1.0), found, Settings(), path="both") for _ in range(2)]
    assert runs[0].summary.hash == runs[1].summary.hash
    assert runs[0].summary.data == "demo"


def test_what_a_recording_missed_was_not_seen(tmp_path: Path) -> None:
    """A minute without a connection is a gap: told to the strategy, and no part of what was seen. Keeps B23."""
    found = gathered([recording(tmp_path, blind=range(100, 160))], Asked(needs=Needs.TRADES), database=None)
    assert found.coverage == pytest.approx(0.8, abs=0.02)
    gaps = [event for event in found.events() if isinstance(event, Gap)]
    assert any(gap.ts_to is None for gap in gaps)
    assert any(gap.ts_to is not None for gap in gaps)


def test_a_torn_recording_is_taken_as_far_as_it_is_whole(tmp_path: Path) -> None:
    """What broke off is said, and what was whole is run over."""
    whole = gathered([recording(tmp_path, seconds=40)], Asked(), database=None)
    assert not any("breaks off" in note for note in whole.notes)
    with pytest.raises(DataError):
        gathered([recording_torn(tmp_path)], Asked(), database=None)


def recording_torn(folder: Path) -> Path:
    """A recording of which nothing whole is left."""
    (folder / "torn").mkdir()
    return recording(folder / "torn", seconds=2, torn=True)


def test_a_replay_is_stepped_without_a_loop() -> None:
    """An iterator that never waits is walked at once; one that does is a bug that is found."""

    class Waiting:
        """Waits for something outside."""

        def __aiter__(self) -> "Waiting":
            return self

        async def __anext__(self) -> int:
            await asyncio.sleep(0)
            return 1

    with pytest.raises(AssertionError, match="waits for nothing"):
        next(stepped(Waiting()))
