"""Recordings: what is written is read, a torn tail costs only itself, foreign forms are recognised."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from perpscope.errors import DataError, StoreError
from perpscope.feeds.recording import Header, Kind, Mark, Record, Recorder, instruments_of, mark_of
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import Alive, Disconnected, Subscribed, Tick
from perpscope.model.stream import Channel, Stream

BTC = Instrument(
    id=instrument_id("binance", "BTC", "USDT"), venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT"
)
MARKS: list[Mark] = [
    Subscribed("binance", "binance/market/0", (Stream(Channel.TRADES, BTC.id), Stream(Channel.LIQUIDATIONS, None)), 5),
    Alive("binance/market/0", 6, 1, 7),
    Tick(7),
    Disconnected("binance/market/0", "silent", 8),
]


def record(path: Path, frames: int = 3) -> Recorder:
    """A recording with some of everything."""
    recorder = Recorder(path, Header(venue="binance", data="demo"))
    recorder.instruments("binance", 1, [BTC])
    for n in range(frames):
        recorder.frame("binance/market/0", 10 + n, memoryview(b'{"n":%d}' % n))
    recorder.reply(BTC.id, 20, b'{"lastUpdateId":1}')
    for mark in MARKS:
        recorder.event(mark)
    return recorder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Frames, replies, marks and instruments come back as they went in."""
    recorder = record(tmp_path / "a" / "r.perpscope")
    recorder.close()
    tape = Tape(recorder.path)
    records = list(tape.records())
    assert (tape.form, tape.venue, tape.data, tape.torn) == ("perpscope", "binance", "demo", False)
    assert instruments_of(records[0]) == [BTC]
    assert [r.payload for r in records if r.kind == Kind.FRAME] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert Record(Kind.REPLY, 20, BTC.id, b'{"lastUpdateId":1}') in records
    assert [mark_of(r) for r in records if r.kind == Kind.EVENT] == MARKS


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_tail_costs_only_itself(tmp_path: Path, cut: int) -> None:
    """What was flushed before a crash is read; the torn block is reported."""
    recorder = record(tmp_path / "r.perpscope")
    recorder.flush()
    whole = recorder.path.stat().st_size
    for n in range(5000):
        recorder.frame("binance/market/0", n, f'{{"x":{n * 7919 % 104729}}}'.encode())
    recorder.close()
    data = recorder.path.read_bytes()
    recorder.path.write_bytes(data[: max(whole + 10, len(data) - cut)])
    tape = Tape(recorder.path)
    assert len(list(tape.records())) >= 9
    assert tape.torn


def test_flipped_bits_end_a_recording(tmp_path: Path) -> None:
    """A damaged block is noticed by its checksum, never decoded into nonsense."""
    recorder = record(tmp_path / "r.perpscope", frames=2000)
    recorder.close()
    data = bytearray(recorder.path.read_bytes())
    data[-20] ^= 0xFF
    recorder.path.write_bytes(data)
    tape = Tape(recorder.path)
    list(tape.records())
    assert tape.torn


def test_what_is_kept_by_the_thread_stands_in_order(tmp_path: Path) -> None:
    """Protects the loop: blocks are compressed and written beside it, whole and in order, many of them at once."""
    recorder = Recorder(tmp_path / "r.perpscope", Header(venue="binance", data="demo"))
    for n in range(100):
        recorder.frame("binance/market/0", n, b'{"n":%d}' % n)
        recorder.keep()
        recorder.keep()  # nothing new
    recorder.flush()
    kept = [record.ts_recv for record in Tape(recorder.path).records()]
    recorder.close()
    assert kept == list(range(100))
    assert recorder.dropped == 0


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    """An existing file or an impossible folder is refused with the path."""
    record(tmp_path / "r.perpscope").close()
    with pytest.raises(StoreError, match=r"r\.perpscope"):
        record(tmp_path / "r.perpscope")
    with pytest.raises(StoreError, match=r"x\.perpscope"):
        record(tmp_path / "r.perpscope" / "x.perpscope")


LINES = b'1723161255030314667 {"a":1}\n1723161255030314668 {"b":2}\n'


@pytest.mark.parametrize(
    ("name", "data"),
    [("x.txt", LINES), ("x.gz", gzip.compress(LINES)), ("x.zst", zstandard.ZstdCompressor().compress(LINES))],
    ids=["plain", "gzip", "zstd"],
)
def test_lines_of_stamp_and_frame_are_read(tmp_path: Path, name: str, data: bytes) -> None:
    """Plain, gzip and zstd; the stamp is ours, the frame is untouched."""
    (tmp_path / name).write_bytes(data)
    tape = Tape(tmp_path / name)
    assert tape.form == "lines"
    assert [(r.ts_recv, r.payload) for r in tape.records()] == [
        (1723161255030314667, b'{"a":1}'),
        (1723161255030314668, b'{"b":2}'),
    ]


def test_json_lines_with_a_header_are_read_in_time(tmp_path: Path) -> None:
    """REST replies written at the head of the file take their place in time; all can be asked for."""
    rows = [
        {"t": "header", "format": 2, "exchange": "BINANCE_FUTURES"},
        {"t": "http", "conn": "h", "ts": 10.0, "url": "https://x/fapi/v1/exchangeInfo", "data": "{}"},
        {
            "t": "http",
            "conn": "h",
            "ts": 12.5,
            "url": "https://x/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
            "data": "{2}",
        },
        {"t": "connect", "conn": "w", "ts": 11.0, "addr": "wss://x"},
        {"t": "recv", "conn": "w", "ts": 12.0, "data": "{1}"},
        {"t": "recv", "conn": "w", "ts": 13.0, "data": "{3}"},
        {"t": "http", "conn": "h", "ts": 14.0, "url": "https://x/fapi/v1/depth?limit=5", "data": "{4}"},
    ]
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress("\n".join(json.dumps(row) for row in rows).encode()))
    tape = Tape(path)
    assert (tape.form, tape.venue, list(tape.replies())) == ("json-lines", "binance", [b"{}", b"{2}", b"{4}"])
    assert [(r.ts_recv, r.payload, r.source) for r in tape.records()] == [
        (12_000_000_000, b"{1}", "w"),
        (12_500_000_000, b"{2}", "BTCUSDT"),
        (13_000_000_000, b"{3}", "w"),
        (14_000_000_000, b"{4}", ""),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello\nworld\n",
        b"\x89PNG\r\n\x1a\n0000",
        b'{"some":"json"}\n',
        zstandard.ZstdCompressor().compress(b"x" * 99),
    ],
    ids=["empty", "text", "picture", "json", "zstd"],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, data: bytes) -> None:
    """One clear error that lists the forms there are."""
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(DataError) as caught:
        list(Tape(tmp_path / "x").records())
    assert caught.value.code == "recording-form"
    assert caught.value.exit_code == 3
    with pytest.raises(DataError, match="no file"):
        Tape(tmp_path / "none")


def test_a_cut_text_recording_keeps_its_whole_lines(tmp_path: Path) -> None:
    """A gzip cut in the middle, or a last line without its end, ends the tape; a bad line elsewhere is named."""
    many = b"".join(b'17231612550303%05d {"n":%d}\n' % (n, n) for n in range(20000))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(many)[:-2000])
    tape = Tape(tmp_path / "cut.gz")
    assert 10 < len(list(tape.records())) < 20000
    assert tape.torn
    (tmp_path / "cut.txt").write_bytes(LINES + b'1723161255030314669 {"c')
    tape = Tape(tmp_path / "cut.txt")
    list(tape.records())
    assert tape.torn
    (tmp_path / "bad.txt").write_bytes(LINES + b"oops\n" + LINES)
    with pytest.raises(DataError, match="line 3"):
        list(Tape(tmp_path / "bad.txt").records())
