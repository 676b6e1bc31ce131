"""Times that cannot be true, and the gaps of frames that could not be used."""

import random
from pathlib import Path

import pytest

from perpscope.app.replay_cast import cast
from perpscope.errors import FrameError
from perpscope.feeds.plausible import AHEAD_NS, BEHIND_NS, Spoilt, implausible
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Gap, Interval, Side, Trade
from perpscope.model.order import ReturnedEvent
from perpscope.model.stream import Channel, Stream, Topic
from perpscope.venues import bitget, hyperliquid

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
TRADES, QUOTES = Stream(Channel.TRADES, BTC), Stream(Channel.QUOTES, BTC)
TOPICS = (Topic("btcusdt@aggTrade", (TRADES,)), Topic("btcusdt@bookTicker", (QUOTES,)))


def trade(ts_event: int) -> Trade:
    """A trade of this time, received now."""
    return Trade(BTC, ts_event, NOW, 1, 100.0, 1.0, Side.BUY, True)


def candle(ts_open: int) -> Candle:
    """A minute that begins here, told now."""
    one = (100.0,) * 4
    return Candle(BTC, NOW, NOW, Interval.M1, ts_open, *one, 1.0, None, None, None, None, False)


@pytest.mark.parametrize(
    ("ts_event", "is_good"),
    [
        (NOW, True),
        (NOW + 1_300_000_000, True),
        (NOW + AHEAD_NS, True),
        (NOW + AHEAD_NS + 1, False),
        (NOW + 3600 * SECOND, False),
        (NOW - 804 * SECOND, True),
        (NOW - BEHIND_NS, True),
        (NOW - BEHIND_NS - 1, False),
        (NOW // 1000, False),
        (-1, False),
    ],
    ids=["now", "1.3 s ahead", "5 min", "5 min+", "1 h ahead", "13 min late", "a day", "a day+", "seconds", "negative"],
)
def test_a_time_is_refused_only_where_it_cannot_be_true(ts_event: int, is_good: bool) -> None:
    """A recorder 1.3 s behind loses nothing; an hour ahead, or seconds for milliseconds, is set aside. A16."""
    why = implausible([trade(NOW), trade(ts_event)], NOW)
    assert (why is None) == is_good
    assert why is None or why.startswith("implausible time: ")
    assert (implausible([candle(ts_event)], NOW) is None) == is_good


def test_the_words_say_by_how_much() -> None:
    """Whoever looks at the samples sees what was wrong."""
    assert implausible([trade(NOW + 3600 * SECOND)], NOW) == "implausible time: 3,600 s ahead of its receipt"
    assert implausible([trade(0)], 2 * BEHIND_NS) == "implausible time: 172,800 s behind its receipt"


@pytest.mark.parametrize(
    ("raw", "streams"),
    [
        (b'{"stream":"btcusdt@aggTrade","data":{"e":"agg', {TRADES}),
        (b"\xff\xfe", {TRADES, QUOTES}),
        (memoryview(b'{"stream":"btcusdt@bookTicker"'), {QUOTES}),
    ],
    ids=["names-its-topic", "names-none", "as-it-came"],
)
def test_a_spoilt_frame_is_a_gap_of_what_it_was_about(raw: bytes | memoryview, streams: set[Stream]) -> None:
    """A frame that names a topic of the connection costs that topic alone; one that names none costs all."""
    spoilt = Spoilt("binance", TOPICS)
    spoilt.note(raw, NOW - 5 * SECOND, NOW)
    (gap,) = spoilt.gaps(NOW + 1)
    assert gap == Gap("binance", gap.streams, NOW - 5 * SECOND, NOW, "bad-frames", NOW + 1)
    assert set(gap.streams) == streams
    assert spoilt.gaps(NOW + 2) == []


def test_spoilt_frames_in_a_row_are_one_gap() -> None:
    """From the last good data before the first to the receipt of the last; a second at least."""
    spoilt = Spoilt("binance", TOPICS)
    spoilt.note(b"btcusdt@aggTrade", 0, NOW)
    spoilt.note(b"btcusdt@aggTrade", NOW - 10, NOW + SECOND)
    spoilt.note(b"btcusdt@bookTicker", NOW, NOW + SECOND)
    found = {gap.streams: (gap.ts_from, gap.ts_to) for gap in spoilt.gaps(NOW + SECOND)}
    assert found == {(TRADES,): (NOW - SECOND, NOW + SECOND), (QUOTES,): (NOW, NOW + SECOND)}


def test_a_candle_of_the_future_is_not_remembered() -> None:
    """Taken for the newest, it would make history of every candle until its hour comes; told by no `closed` flag."""
    minute, ts_recv = 1_790_000_040_000, NOW + 70 * SECOND
    bar = (
        '{{"channel":"candle","data":{{"t":{t},"T":{end},"s":"BTC","i":"1m",'
        '"o":"1","c":"1","h":"1","l":"1","v":"1","n":1}}}}'
    )
    decoder = hyperliquid.VENUE.decoder({})
    with pytest.raises(FrameError, match="receipt"):
        decoder.decode(bar.format(t=minute + 3_600_000, end=minute + 3_659_999).encode(), ts_recv)
    assert isinstance(decoder.decode(bar.format(t=minute, end=minute + 59_999).encode(), ts_recv), list)
    kline = (
        '{{"action":"update","arg":{{"instType":"usdt-futures","topic":"kline","symbol":"BTCUSDT","interval":"1m"}},'
        '"data":[{{"start":"{t}","open":"1","close":"1","high":"1","low":"1","volume":"1","turnover":"1"}}],"ts":{t}}}'
    )
    others = bitget.VENUE.decoder({})
    with pytest.raises(FrameError, match="receipt"):
        others.decode(kline.format(t=minute + 3_600_000).encode(), ts_recv)
    assert isinstance(others.decode(kline.format(t=minute).encode(), ts_recv), list)


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_frames_make_the_same_hole(seed: int) -> None:
    """However frames are set aside, a hole reaches from the earliest to the latest of them."""
    rng = random.Random(seed)
    times = [NOW + rng.randrange(10**10) for _ in range(10)]
    spoilt = Spoilt("binance", TOPICS)
    for ts in sorted(times):
        spoilt.note(b"x", 0, ts)
    (gap,) = spoilt.gaps(NOW)
    assert (gap.ts_from, gap.ts_to) == (min(times) - SECOND, max(times))


RECORDED = (
    "wire/binance/usdm_btcusdt_20240808.gz",
    "wire/hyperliquid/btc_20250126.gz",
    "wire/recordings/binance_futures.jsonl.zst",
)


@pytest.mark.parametrize("path", RECORDED)
async def test_nothing_in_real_recordings_is_refused(recordings: Path, path: str) -> None:
    """Their clocks were up to 1.3 s apart: every event's time is taken for true."""
    feed = cast(Tape(recordings / path), None, None, print).feed()
    judged = 0
    async for batch in feed.batches():
        for event in batch:
            if hasattr(event, "ts_event") and not isinstance(event, ReturnedEvent):
                judged += 1
                assert implausible([event], event.ts_recv) is None, event
    assert judged > 50
