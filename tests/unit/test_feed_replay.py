"""Replay of hand-written tapes: marks made up where there are none, kept where there are; instruments met by name."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec
import pytest
import zstandard

from perpscope.app import replay as replaying
from perpscope.app.replay import replay_tape
from perpscope.errors import DataError
from perpscope.feeds.recording import Header, Kind, Mark, Record, Recorder
from perpscope.feeds.replay import ReplayFeed
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    Alive,
    BookDelta,
    BookSnapshot,
    Connected,
    Disconnected,
    Quote,
    Subscribed,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, Stream
from perpscope.stores.sqlite import SqliteReader
from perpscope.venues.binance import VENUE

SECOND = 1_000_000_000
START = 1_790_757_203 * SECOND
#: Hand-written after Binance's pages on each stream; COIN-M's after those of the other product.
TRADE = b'{"e":"aggTrade","E":1790757203016,"s":"%s","a":%d,"p":"83003.8","q":"0.120","T":1790757203001,"m":true}'
QUOTE = (
    b'{"e":"bookTicker","u":9,"s":"BTCUSDT","b":"83003.7","B":"2.5","a":"83004.0","A":"1.0","T":1790757203001,'
    b'"E":1790757203016}'
)
DIFF = (
    b'{"e":"depthUpdate","E":1790757203020,"T":1790757203013,"s":"BTCUSDT","U":%d,"u":%d,"pu":%d,'
    b'"b":[["83003.7","2.51"]],"a":[["83004.0","0.1"]]}'
)
CANDLE = (
    b'{"e":"kline","E":1790757240016,"s":"BTCUSDT","k":{"t":1790757180000,"T":1790757239999,"s":"BTCUSDT","i":"15m",'
    b'"f":1,"L":2,"o":"1","c":"2","h":"3","l":"1","v":"5","n":2,"x":true,"q":"9","V":"1","Q":"2"}}'
)
FORCED = (
    b'{"e":"forceOrder","E":1790757203016,"o":{"s":"%s","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014","p":"82910.10",'
    b'"ap":"83003.80","X":"FILLED","l":"0.014","z":"0.014","T":%d}}'
)
SNAPSHOT = b'{"lastUpdateId":100,"E":1790757203016,"T":1790757203001,"bids":[["83003.7","2"]],"asks":[["83004.0","1"]]}'


def lines(path: Path, *rows: tuple[float, bytes]) -> Path:
    """A recording of `<ns> <frame>` lines; times in seconds from the start."""
    path.write_bytes(b"".join(b"%d %b\n" % (START + int(at_s * SECOND), frame) for at_s, frame in rows))
    return path


def json_lines(path: Path, *rows: dict[str, object], exchange: str = "BINANCE_FUTURES") -> Path:
    """A recording of JSON lines with a header."""
    header = {"t": "header", "format": 2, "exchange": exchange}
    path.write_text("".join(json.dumps(row) + "\n" for row in (header, *rows)))
    return path


def received(at_s: float, frame: bytes, conn: str = "w") -> dict[str, object]:
    """A frame in a recording of JSON lines."""
    return {"t": "recv", "conn": conn, "ts": START // SECOND + at_s, "data": frame.decode()}


def replied(at_s: float, symbol: str, body: bytes = SNAPSHOT) -> dict[str, object]:
    """A book snapshot in a recording of JSON lines."""
    url = f"https://x.test/fapi/v1/depth?symbol={symbol}&limit=1000"
    return {"t": "http", "conn": "h", "ts": START // SECOND + at_s, "url": url, "data": body.decode()}


def named(symbol: str) -> Instrument:
    """An instrument known by its symbol."""
    instrument = VENUE.instrument_named(symbol)
    assert instrument is not None
    return instrument


BTC, ETH = named("BTCUSDT"), named("ETHUSDT")


def replayed(
    path: Path, catalogue: Iterable[Instrument] = (), only: Collection[InstrumentId] = ()
) -> tuple[ReplayFeed, list[Arrival]]:
    """Everything on a tape."""
    feed = ReplayFeed(Tape(path), VENUE, {instrument.symbol: instrument for instrument in catalogue}, only=only)

    async def drain() -> list[Arrival]:
        return [event async for batch in feed.batches() for event in batch]

    return feed, asyncio.run(drain())


def of_kind(events: list[Arrival], *kinds: type[object]) -> list[Arrival]:
    """The events of some kinds."""
    return [event for event in events if isinstance(event, kinds)]


def test_a_stream_counts_as_listened_to_from_its_first_event(tmp_path: Path) -> None:
    """Each stream is acknowledged once, just before its first event, by the connection it came on."""
    path = lines(
        tmp_path / "x",
        *((0.0, TRADE % (b"BTCUSDT", 1)), (0.1, TRADE % (b"BTCUSDT", 2)), (0.2, TRADE % (b"ETHUSDT", 1)), (0.3, QUOTE)),
        *((0.4, DIFF % (1, 2, 0)), (0.5, CANDLE), (0.6, FORCED % (b"BTCUSDT", 1790757203010)), (0.7, QUOTE)),
    )
    _, events = replayed(path)
    acknowledged = [event for event in events if isinstance(event, Subscribed)]
    assert [event.streams[0] for event in acknowledged] == [
        Stream(Channel.TRADES, BTC.id),
        Stream(Channel.TRADES, ETH.id),
        Stream(Channel.QUOTES, BTC.id),
        Stream(Channel.BOOK, BTC.id),
        Stream(Channel.CANDLES_15M, BTC.id),
        Stream(Channel.LIQUIDATIONS, BTC.id),
    ]
    assert {event.connection for event in acknowledged} == {"recording"}
    for event in acknowledged:
        after = events[events.index(event) + 1]
        assert after.ts_recv == event.ts_recv
        assert after.instrument == event.streams[0].instrument  # type: ignore[union-attr]  # an event of a stream


def test_time_passes_once_a_second_and_leaps_over_silence(tmp_path: Path) -> None:
    """Signs of life and a Tick each second of recorded time; one Tick after an hour of nothing, and one at the end."""
    path = lines(tmp_path / "x", *((at_s, TRADE % (b"BTCUSDT", 1)) for at_s in (0.0, 0.5, 1.5, 3600.0, 3600.2)))
    _, events = replayed(path)
    ticks = [(event.ts_recv - START) / SECOND for event in events if isinstance(event, Tick)]
    assert ticks == [0.0, 1.5, 3600.0, 3600.2]
    marks = of_kind(events, Alive, Tick)
    assert [type(mark) for mark in marks] == [Tick, Alive, Tick, Alive, Tick, Alive, Tick]
    assert [event.frames for event in events if isinstance(event, Alive)] == [2, 3, 5]
    assert [(event.ts_last - START) / SECOND for event in events if isinstance(event, Alive)] == [0.5, 1.5, 3600.2]


def test_time_never_goes_back(tmp_path: Path) -> None:
    """Frames out of order do not turn the clock back."""
    _, events = replayed(lines(tmp_path / "x", (5.0, QUOTE), (0.0, QUOTE), (6.5, QUOTE)))
    ticks = [event.ts_recv for event in events if isinstance(event, Tick)]
    assert ticks == sorted(ticks)


def test_replies_about_our_instruments_become_snapshots(tmp_path: Path) -> None:
    """By symbol, or by our own name; what is not ours, or no book, becomes nothing."""
    path = json_lines(
        tmp_path / "x",
        *(replied(1, "BTCUSDT"), replied(2, "BTCUSD_PERP"), replied(3, "???"), replied(4, "ETHUSDT", b"{}")),
        received(5, QUOTE),
    )
    feed, events = replayed(path)
    snapshots = of_kind(events, BookSnapshot)
    assert [(s.instrument, s.last_update_id) for s in snapshots if isinstance(s, BookSnapshot)] == [(BTC.id, 100)]
    assert [raw for _, raw in feed.counts.samples] == [b"{}"]
    assert feed.new_instruments() == [BTC, ETH]


def test_a_catalogue_says_what_is_ours(tmp_path: Path) -> None:
    """With a catalogue, replies and frames about anything else are passed over."""
    path = json_lines(
        tmp_path / "x", replied(1, "BTCUSDT"), replied(2, "ETHUSDT"), received(3, TRADE % (b"ETHUSDT", 1))
    )
    feed, events = replayed(path, [BTC])
    assert [type(event) for event in of_kind(events, BookSnapshot, Trade)] == [BookSnapshot]
    assert feed.counts.ignored == {"unknown-symbol": 1}
    assert feed.new_instruments() == [BTC]
    assert feed.new_instruments() == []


def test_every_frame_is_accounted_for(tmp_path: Path) -> None:
    """Decoded, control, ignored by name, rejected with a sample. Keeps S2-21, S2-22."""
    path = lines(
        tmp_path / "x",
        *((0, QUOTE), (0, b'{"result":null,"id":1}'), (0, b'{"e":"24hrTicker","s":"BTCUSDT"}'), (0, b"{")),
        *((0, TRADE % (b"BTCUSD_PERP", 1)), (0, b'{"e":"aggTrade","s":"BTCUSDT"}')),
    )
    feed, _ = replayed(path)
    counts = feed.counts
    assert (counts.frames, counts.decoded, counts.control, counts.rejected) == (6, 1, 1, 2)
    assert counts.ignored == {"unlisted-channel": 1, "coin-m": 1}
    assert [raw for _, raw in counts.samples] == [b"{", b'{"e":"aggTrade","s":"BTCUSDT"}']


def own(path: Path) -> Recorder:
    """A recording of ours, of one connection."""
    return Recorder(path, Header(venue="binance", data="observed"))


def test_own_marks_are_replayed_as_they_were(tmp_path: Path) -> None:
    """Acknowledgements, signs of life, Ticks and closes come from the tape, and nothing is made up beside them."""
    name = "binance/public/0"
    marks: list[Mark] = [
        Subscribed("binance", name, (Stream(Channel.QUOTES, BTC.id),), START),
        Alive(name, START + 1, 1, START + SECOND),
        Tick(START + SECOND),
        Disconnected(name, "silent", START + 99 * SECOND),
    ]
    recorder = own(tmp_path / "r")
    recorder.instruments("binance", START, [BTC])
    recorder.event(marks[0])
    recorder.frame(name, START + 1, QUOTE)
    for mark in marks[1:]:
        recorder.event(mark)
    recorder.reply(BTC.id, START + 99 * SECOND, SNAPSHOT)
    recorder.close()
    feed, events = replayed(recorder.path)
    assert of_kind(events, Subscribed, Alive, Tick, Disconnected) == marks
    assert [type(event) for event in events] == [Subscribed, Quote, Alive, Tick, Disconnected, BookSnapshot]
    assert feed.new_instruments() == [BTC]


def test_each_connection_has_a_decoder_of_its_own(tmp_path: Path) -> None:
    """After a close a new one is made: what the old one had seen of a book is forgotten; what it named is not."""
    recorder = own(tmp_path / "r")
    diff = DIFF % (1, 2, 0)
    recorder.frame("a", START, diff)
    recorder.frame("a", START + 1, SNAPSHOT)
    recorder.frame("b", START + 2, SNAPSHOT)
    recorder.event(Disconnected("a", "disconnect", START + 3))
    recorder.event(Disconnected("never-heard", "disconnect", START + 3))
    recorder.frame("a", START + 4, SNAPSHOT)
    recorder.close()
    feed, events = replayed(recorder.path)
    assert [type(event) for event in of_kind(events, BookDelta, BookSnapshot)] == [BookDelta, BookSnapshot]
    assert feed.counts.ignored == {"snapshot-without-symbol": 2}
    assert feed.new_instruments() == [BTC]


def test_events_are_handed_over_a_batch_at_a_time(tmp_path: Path) -> None:
    """A long recording never stands in memory whole, and instruments are told with the batch that needs them."""
    path = lines(
        tmp_path / "x",
        *((0.0, TRADE % (b"BTCUSDT", n)) for n in range(2000)),
        *((0.0, TRADE % (b"ETHUSDT", n)) for n in range(1000)),
    )
    feed = ReplayFeed(Tape(path), VENUE, {})

    async def drain() -> list[tuple[int, list[Instrument]]]:
        return [(len(batch), feed.new_instruments()) async for batch in feed.batches()]

    batches = asyncio.run(drain())
    assert batches[0] == (1024, [BTC])
    assert [met for _, met in batches if met] == [[BTC], [ETH]]
    assert sum(size for size, _ in batches) == 3000 + 2 + 3


def stored(path: Path, query: str) -> list[tuple[object, ...]]:
    """Rows as sqlite3 itself reads them."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("form", ["lines", "json-lines", "own"])
def test_rows_carry_the_venues_symbols_whatever_the_recording_knows(tmp_path: Path, form: str) -> None:
    """A store of a replay says BTCUSDT like one of a live run, also where the tape has no catalogue."""
    frame = FORCED % (b"BTCUSDT", 1790757203010)
    path = tmp_path / "tape"
    if form == "lines":
        lines(path, (0, frame), (61, TRADE % (b"ETHUSDT", 1)))
    elif form == "json-lines":
        json_lines(path, received(0, frame), received(61, TRADE % (b"ETHUSDT", 1)))
    else:
        recorder = own(path)
        recorder.instruments("binance", START, [BTC, ETH])
        recorder.frame("a", START, frame)
        recorder.event(Tick(START + SECOND))
        recorder.close()
    report = replay_tape(path, database=tmp_path / "r.db")
    assert report.events["liquidation"] == 1
    assert stored(tmp_path / "r.db", "SELECT venue, symbol, side FROM liquidation_events") == [
        ("binance", "BTCUSDT", "SELL")
    ]
    assert stored(tmp_path / "r.db", "SELECT symbol FROM instruments ORDER BY symbol") == [("BTCUSDT",), ("ETHUSDT",)]


def test_a_recordings_own_catalogue_is_used(tmp_path: Path) -> None:
    """The catalogue at the head of a recording names the instruments, and what it does not list is not ours."""
    info = {
        "symbols": [
            {
                **{"symbol": "BTCUSDT", "contractType": "PERPETUAL", "baseAsset": "BTC", "quoteAsset": "USDT"},
                **{"status": "TRADING", "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}]},
            }
        ]
    }
    listing = {
        "t": "http",
        "conn": "h",
        "ts": 1.0,
        "url": "https://x.test/fapi/v1/exchangeInfo",
        "data": json.dumps(info),
    }
    path = json_lines(
        tmp_path / "x", listing, received(0, TRADE % (b"BTCUSDT", 1)), received(0, TRADE % (b"ETHUSDT", 1))
    )
    report = replay_tape(path, database=tmp_path / "r.db")
    assert (report.events, report.ignored) == ({"trade": 1}, {"unknown-symbol": 1})
    assert stored(tmp_path / "r.db", "SELECT symbol FROM instruments") == [("BTCUSDT",)]


def test_a_replay_waits_for_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording is read faster than rows are written: it waits, so that no row is lost to a full queue."""
    monkeypatch.setattr(replaying, "_MOST_PENDING", 100)
    path = lines(tmp_path / "x", *((n / 1e6, FORCED % (b"BTCUSDT", 1790757203010 + n)) for n in range(5000)))
    report = replay_tape(path, database=tmp_path / "r.db")
    assert (report.events["liquidation"], report.gaps) == (5000, 0)
    with SqliteReader.open(tmp_path / "r.db") as reader:
        assert reader.counts(2**62).total == 5000


@pytest.mark.parametrize("frames", [1, 60, 3000])
def test_a_recording_of_another_venue_is_refused(tmp_path: Path, frames: int) -> None:
    """Not one frame that is the named venue's: said with the reason, not after the whole file."""
    path = lines(tmp_path / "x", *((0, b'{"channel":"l2Book","data":{}}') for _ in range(frames)))
    with pytest.raises(DataError, match="binance") as caught:
        replay_tape(path, venue="binance")
    assert caught.value.code == "recording-venue"
    assert "--venue" in (caught.value.hint or "")


def blocks(*records: Record | bytes) -> bytes:
    """Records as they lie in a recording of ours, compressed; bytes are put in as they are."""
    encoded = [record if isinstance(record, bytes) else msgspec.msgpack.encode(record) for record in records]
    return zstandard.ZstdCompressor().compress(b"".join(len(e).to_bytes(4, "little") + e for e in encoded))


HEAD = Record(Kind.HEADER, 0, "binance", msgspec.msgpack.encode(Header(venue="binance", data="observed")))


@pytest.mark.parametrize(
    "data",
    [
        blocks(msgspec.structs.replace(HEAD, payload=b"\xff")),
        blocks(msgspec.structs.replace(HEAD, payload=msgspec.msgpack.encode({"venue": 1}))),
        blocks(msgspec.structs.replace(HEAD, kind=Kind.FRAME)),
        blocks(b"\xa1\xff"),
        blocks(b"nonsense"),
        zstandard.ZstdCompressor().compress(b"12345678" * 1000),
    ],
    ids=["no-msgpack", "wrong-header", "no-header", "bad-utf8", "no-record", "text"],
)
def test_what_only_looks_like_our_recording_is_refused(tmp_path: Path, data: bytes) -> None:
    """A zstd file of something else is known by its first record, never by a traceback."""
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(DataError) as caught:
        replay_tape(tmp_path / "x")
    assert caught.value.code == "recording-form"


@pytest.mark.parametrize("bad", [b"\xa1\xff", b"nonsense"])
def test_a_broken_record_ends_a_recording(tmp_path: Path, bad: bytes) -> None:
    """What lies before it is replayed, and the tape is known to be torn."""
    frame = Record(Kind.FRAME, START, "a", QUOTE)
    (tmp_path / "x").write_bytes(blocks(HEAD, frame, bad, frame))
    tape = Tape(tmp_path / "x")
    assert list(tape.records()) == [frame]
    assert tape.torn


def test_odd_lines_are_what_they_are(tmp_path: Path) -> None:
    """Blank lines are nothing, text that is no UTF-8 is named by its line, also right after the header."""
    path = json_lines(tmp_path / "x", received(0, QUOTE))
    good = path.read_bytes()
    path.write_bytes(good.replace(b"\n", b"\n\n"))
    assert replay_tape(path).events == {"quote": 1}
    header, _, rest = good.partition(b"\n")
    path.write_bytes(header + b'\n{"t":"recv","data":"\xff"}\n' + rest)
    with pytest.raises(DataError, match="line 2"):
        replay_tape(path)
    path.write_bytes(good + b'{"t":"recv","da')
    assert replay_tape(path).events == {"quote": 1}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_counted(tmp_path: Path) -> None:
    """Recording goes on as well as it can; what was not taken is known when it is closed."""
    recorder = own(tmp_path / "r")
    recorder._file.close()
    recorder.frame("a", START, QUOTE)
    recorder._file = Path("/dev/full").open("wb")  # noqa: SIM115  # the recorder closes it
    recorder.flush()
    recorder.flush()
    assert recorder.dropped == 1
    recorder.close()
    assert recorder.dropped == 2
    assert recorder._file.closed


def test_a_venue_that_is_named_but_unknown_falls_back(tmp_path: Path) -> None:
    """A recording's own word for its exchange is taken where we know it and its frames bear it out."""
    path = json_lines(tmp_path / "x", received(0, QUOTE), exchange="KRAKEN_SWAP")
    assert replay_tape(path).venues == ["binance"]
    said: list[str] = []
    path = json_lines(tmp_path / "y", received(0, QUOTE), exchange="OKX_SWAP")
    assert replay_tape(path, announce=said.append).events == {"quote": 1}
    assert said == ["y: named after okx, but these are binance's frames"]
    assert replay_tape(path, venue="binance").events == {"quote": 1}


#: Hand-written after Hyperliquid's and OKX's pages.
BBO = (
    b'{"channel":"bbo","data":{"coin":"BTC","time":%d,'
    b'"bbo":[{"px":"8.0","sz":"%d","n":1},{"px":"9.0","sz":"1","n":1}]}}'
)
L2 = (
    b'{"channel":"l2Book","data":{"coin":"BTC","time":%d,'
    b'"levels":[[{"px":"8.0","sz":"%d","n":1}],[{"px":"9.0","sz":"1","n":1}]]}}'
)
SWAP = (
    b'{"arg":{"channel":"trades","instId":"%s"},"data":[{"instId":"%s","tradeId":"1","px":"8.5","sz":"5","side":"buy",'
    b'"ts":"1790757203050","count":"1","seqId":5}]}'
)


def test_whole_books_are_compared_with_quotes_by_their_ms(tmp_path: Path) -> None:
    """A venue without update ids numbers both by time: each book with the last quote not after it."""
    ms = START // 1_000_000
    quotes = [(0.0, BBO % (ms, 1)), (1.0, BBO % (ms + 1000, 2)), (3.0, BBO % (ms + 3000, 3))]
    books = [(0.1, L2 % (ms, 1)), (1.1, L2 % (ms + 1500, 2)), (2.9, L2 % (ms + 2999, 9)), (3.1, L2 % (ms + 3000, 3))]
    report = replay_tape(lines(tmp_path / "x", *sorted(quotes + books)))
    assert report.events == {"quote": 3, "book_snapshot": 4}
    assert (report.book.compared, report.book.equal, report.gaps) == (4, 3, 0)
    report = replay_tape(lines(tmp_path / "y", *books))
    assert (report.events, report.book.compared) == ({"book_snapshot": 4}, 0)


def test_what_two_connections_bring_counts_once(tmp_path: Path) -> None:
    """Where one connection takes the place of another, the replay drops repeats as the run did."""
    names = "binance/market/0", "binance/market/0b"
    recorder = own(tmp_path / "r")
    for name in names:
        recorder.event(Connected("binance", name, START))
    for number in (1, 2):
        for name in names:
            recorder.frame(name, START + number, TRADE % (b"BTCUSDT", number))
    recorder.close()
    feed, events = replayed(recorder.path)
    assert [event.trade_id for event in events if isinstance(event, Trade)] == [1, 2]
    assert feed.counts.decoded == 4


def test_one_instrument_of_a_recording_of_ours(tmp_path: Path) -> None:
    """Its events and streams alone; of a whole-market stream its own part; what is about no instrument stays."""
    name, everything = "binance/market/0", Stream(Channel.LIQUIDATIONS, None)
    trades = [Stream(Channel.TRADES, one.id) for one in (BTC, ETH)]
    recorder = own(tmp_path / "r")
    recorder.instruments("binance", START, [BTC, ETH])
    recorder.event(Subscribed("binance", name, (*trades, everything), START))
    recorder.event(Unheard("binance", name, (trades[0],), "refused", START))
    recorder.frame(name, START, TRADE % (b"BTCUSDT", 1))
    recorder.frame(name, START, TRADE % (b"ETHUSDT", 1))
    recorder.event(Tick(START + SECOND))
    recorder.close()
    feed, events = replayed(recorder.path, only=[ETH.id])
    told = Subscribed("binance", name, (trades[1], Stream(Channel.LIQUIDATIONS, ETH.id)), START)
    assert [type(event) for event in events] == [Subscribed, Trade, Tick]
    assert events[0] == told
    assert feed.new_instruments() == [ETH]
    assert (feed.counts.decoded, feed.instruments) == (2, [BTC, ETH])


def test_catalogues_among_the_replies_are_the_venues_own(tmp_path: Path) -> None:
    """Wherever they stand, and whatever else was asked: sizes in contracts need one, and later ones add to it."""
    listed = {
        **{"instId": "PEPE-USDT-SWAP", "ctType": "linear", "settleCcy": "USDT", "ctVal": "10", "ctMult": "1"},
        **{"ctValCcy": "PEPE", "tickSz": "0.1", "lotSz": "1", "state": "live", "lever": "50"},
    }
    pages: list[dict[str, object]] = [
        {"t": "http", "ts": 1.0, "url": "https://x.test/a", "data": json.dumps({"code": "0", "data": rows})}
        for rows in ([listed], [listed | {"instId": "BTC-USDT-SWAP", "ctValCcy": "BTC", "ctVal": "0.01"}], [])
    ]
    refusal: dict[str, object] = {"t": "http", "ts": 1.0, "url": "https://x.test/a", "data": '{"code":"1","msg":"no"}'}
    frames = [received(n, SWAP % (symbol, symbol)) for n, symbol in enumerate((b"PEPE-USDT-SWAP", b"BTC-USDT-SWAP"))]
    path = json_lines(tmp_path / "x", *frames, refusal, *pages, exchange="OKX")
    report = replay_tape(path, database=tmp_path / "r.db")
    assert (report.venues, report.events, report.ignored) == (["okx"], {"trade": 2}, {})
    assert stored(tmp_path / "r.db", "SELECT symbol FROM instruments ORDER BY symbol") == [
        ("BTC-USDT-SWAP",),
        ("PEPE-USDT-SWAP",),
    ]
