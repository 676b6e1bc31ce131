"""Reading a tape and rebuilding its books. Frames are written by hand after the venue's documentation."""

from decimal import Decimal

import msgspec
import pytest

from perpscope.lab.recorded_books import Diff, RecordedBooks, Snapshot
from perpscope.lab.tape import Played, TapeReader, instruments

_DEPTHS = tuple(f"btcusdt@depth{speed}" for speed in ("", "@0ms", "@100ms", "@250ms", "@500ms"))


def _diff_payload(first: int, last: int, previous: int, price: str = "10.0", size: str = "1") -> bytes:
    return (
        f'{{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","U":{first},"u":{last},"pu":{previous},'
        f'"b":[["{price}","{size}"]],"a":[]}}'
    ).encode()


@pytest.mark.parametrize(
    ("frame", "symbol", "streams", "payload"),
    [
        (
            b'{"stream":"btcusdt@bookTicker","data":{"u": 1}}',
            "BTCUSDT",
            ("btcusdt@bookTicker",),
            b'{"u": 1}',
        ),
        (
            b'{"stream":"!forceOrder@arr","data":{"e":"forceOrder"}}',
            "",
            ("!forceOrder@arr",),
            b'{"e":"forceOrder"}',
        ),
        (
            b'{"stream":"btcusdt@markPrice","data":{}}',
            "BTCUSDT",
            ("btcusdt@markPrice", "btcusdt@markPrice@1s"),
            b"{}",
        ),
        (b'{"stream":"!markPrice@arr@1s","data":[]}', "", ("!markPrice@arr", "!markPrice@arr@1s"), b"[]"),
        (b'{"stream":"btcusdt@depth@0ms","data":' + _diff_payload(1, 2, 0) + b"}", "BTCUSDT", _DEPTHS, None),
        (_diff_payload(1, 2, 0), "BTCUSDT", _DEPTHS, None),
        (b'{"e":"aggTrade","s":"BTCUSDT"}', "BTCUSDT", ("btcusdt@aggTrade",), None),
        (b'{"e":"trade","s":"BTCUSDT"}', "BTCUSDT", ("btcusdt@trade",), None),
        (b'{"e":"kline","s":"BTCUSDT","k":{"i":"15m"}}', "BTCUSDT", ("btcusdt@kline_15m",), None),
        (b'{"e":"forceOrder","o":{"s":"BTCUSDT"}}', "BTCUSDT", ("btcusdt@forceOrder",), None),
        (b'[{"e":"markPriceUpdate","s":"BTCUSDT"}]', "", ("!markPrice@arr", "!markPrice@arr@1s"), None),
    ],
)
def test_frame_finds_its_streams_and_keeps_its_bytes(
    frame: bytes, symbol: str, streams: tuple[str, ...], payload: bytes | None
) -> None:
    """Protects playback: enveloped or raw, a frame goes out on today's names with its payload untouched."""
    played = TapeReader().read(frame)
    assert isinstance(played, Played)
    assert (played.symbol, played.streams) == (symbol, streams)
    if payload is not None:
        assert played.payload == payload
    assert played.payload in frame


@pytest.mark.parametrize(
    "frame",
    [
        b'{"result":null,"id":1}',
        b'{"e":"listenKeyExpired"}',
        b'{"e":"kline","s":"BTCUSDT"}',
        b'{"e":"forceOrder"}',
        b'{"e":"somethingNew","s":"BTCUSDT"}',
        b"[1]",
        b"[",
        b"",
        b"\xff",
        b'{"stream":"btcusdt@depth","data":{"U":1}}',
        b'{"lastUpdateId":1,"bids":3}',
    ],
)
def test_what_was_on_no_stream_is_not_played(frame: bytes) -> None:
    """Protects clients from acknowledgements and damage of the recorded session."""
    assert TapeReader().read(frame) is None


def test_bare_rest_snapshot_is_recognised() -> None:
    """Protects books of tapes that hold the REST reply among the frames."""
    read = TapeReader().read(b'{"lastUpdateId":7,"E":2,"T":1,"bids":[["1","2"]],"asks":[]}')
    assert read == Snapshot(7, [("1", "2")], [], 1)


def test_instruments_are_read_off_the_tape() -> None:
    """Protects the catalogue of a playback: symbols, and ticks as fine as the numbers are written."""
    tape = [
        ("x", 1, b'{"stream":"btcusdt@markPrice","data":{"e":"markPriceUpdate"}}'),
        ("x", 2, b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","b":"58710.20","B":"0.014"}}'),
        ("x", 3, b'{"stream":"ethusdc@aggTrade","data":{"e":"aggTrade","p":"3150.1","q":"2"}}'),
        ("x", 4, b'{"stream":"btcusd_perp@depth","data":' + _diff_payload(1, 1, 0, "10.0", "3") + b"}"),
        ("x", 5, b'{"stream":"oddusdt@aggTrade","data":{"e":5}}'),
        ("x", 6, b'{"result":null,"id":1}'),
    ]
    found = {row.symbol: row for row in instruments(tape, TapeReader())}
    assert {symbol: (row.base, row.quote, row.tick_size, row.step_size) for symbol, row in found.items()} == {
        "BTCUSDT": ("BTC", "USDT", Decimal("0.01"), Decimal("0.001")),
        "ETHUSDC": ("ETH", "USDC", Decimal("0.1"), Decimal(1)),
        "BTCUSD_PERP": ("BTCUSD_PERP", "USD", Decimal("0.1"), Decimal(1)),
        "ODDUSDT": ("ODD", "USDT", None, None),
    }


def _diff(first: int, last: int, previous: int, price: str = "10.0", size: str = "1") -> Diff:
    return msgspec.json.decode(_diff_payload(first, last, previous, price, size), type=Diff)


def _snapshot(last: int, price: str = "10.0") -> Snapshot:
    return Snapshot(last, [(price, "5")], [("99.0", "1")])


def test_book_is_unknown_until_a_snapshot_bridges_it() -> None:
    """Protects `/fapi/v1/depth` of a playback: an answer only when it is right, and then as of the newest diff."""
    books = RecordedBooks()
    assert books.get("BTCUSDT") is None
    books.diff("BTCUSDT", _diff(1, 4, 0))
    books.diff("BTCUSDT", _diff(6, 9, 4))
    books.diff("BTCUSDT", _diff(11, 12, 9, "10.0", "7"))
    assert books.get("BTCUSDT") is None
    books.snapshot(_snapshot(8))
    book = books.get("BTCUSDT")
    assert book is not None
    assert book.last_update_id == 12
    assert book.top(1) == ([("10.0", "7")], [("99.0", "1")])


def test_snapshot_may_come_before_its_diffs() -> None:
    """Protects tapes whose REST reply was recorded first: it waits, and the diff right after it counts too."""
    books = RecordedBooks()
    books.snapshot(_snapshot(4))
    books.diff("BTCUSDT", _diff(2, 3, 1))
    assert books.get("BTCUSDT") is None
    books.diff("BTCUSDT", _diff(6, 9, 4))
    book = books.get("BTCUSDT")
    assert book is not None
    assert book.last_update_id == 9


def test_hole_makes_the_book_unknown_until_the_next_snapshot() -> None:
    """Protects clients from a book that is wrong: rule 5 holds for the exchange's own book too."""
    books = RecordedBooks()
    books.diff("BTCUSDT", _diff(1, 4, 0))
    books.snapshot(_snapshot(3))
    books.diff("BTCUSDT", _diff(8, 9, 7))
    assert books.get("BTCUSDT") is None
    books.diff("BTCUSDT", _diff(10, 11, 9))
    books.snapshot(_snapshot(10))
    book = books.get("BTCUSDT")
    assert book is not None
    assert book.last_update_id == 11


def test_snapshot_followed_by_a_hole_is_not_trusted() -> None:
    """Protects the rebuilding itself: a hole among the diffs that waited is a hole."""
    books = RecordedBooks()
    books.diff("BTCUSDT", _diff(1, 4, 0))
    books.diff("BTCUSDT", _diff(8, 9, 7))
    books.snapshot(_snapshot(3))
    assert books.get("BTCUSDT") is None
    books.snapshot(_snapshot(8))
    assert books.get("BTCUSDT") is not None


def test_snapshot_without_a_bridge_is_left_alone() -> None:
    """Protects against adopting a snapshot that lies within a hole or ahead of everything seen."""
    books = RecordedBooks()
    books.diff("BTCUSDT", _diff(10, 12, 5))
    books.snapshot(_snapshot(7))
    books.snapshot(_snapshot(99))
    assert books.get("BTCUSDT") is None


def test_unnamed_snapshot_goes_to_the_symbol_that_shares_its_prices() -> None:
    """Protects tapes of many symbols, whose update ids overlap: prices decide whose snapshot it is."""
    books = RecordedBooks()
    books.diff("BTCUSDT", _diff(1, 9, 0, "58710.2"))
    books.diff("DOGEUSDT", _diff(2, 8, 0, "0.158"))
    books.snapshot(_snapshot(5, "0.158"))
    assert books.get("BTCUSDT") is None
    assert books.get("DOGEUSDT") is not None
