"""Normalised rows become events of the one instrument they are said to be of."""

from pathlib import Path

import pytest

from perpscope.app.replay import replay_tape
from perpscope.app.replay_cast import cast
from perpscope.errors import ConfigError, DataError, FrameError
from perpscope.feeds.rows import RowDecoder
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookSnapshot, MarkPrice, OpenInterest, Side, Trade
from perpscope.model.stream import Ignored
from perpscope.venues.hyperliquid import VENUE

MS = 1_000_000


def named(symbol: str) -> Instrument:
    """An instrument known by its symbol."""
    instrument = VENUE.instrument_named(symbol)
    assert instrument is not None
    return instrument


BTC = named("BTC")
#: Written by hand after the shapes in use elsewhere.
BOUGHT = b'{"ts":1781210059172,"px":63366.0,"sz":0.5,"side":"B"}'
SOLD = b'{"ts":1781210059173,"px":63365.0,"sz":1e-05,"side":"A"}'
BOOK = b'{"ts":1781210060000,"bids":[[63365.0,2.0],[63364.0,1]],"asks":[[63366.0,3.5]]}'
CONTEXT = b'{"ts":1781210076985,"funding":-3.5e-06,"oi":31347.5,"mark":63374.0,"oracle":63405.0}'


def test_a_trade_a_book_and_a_context_become_events() -> None:
    """By hand: B bought, A sold; a book is whole; funding is of the instrument's interval; oi is in base units."""
    decoder = RowDecoder(BTC)
    assert [decoder.decode(row, 7) for row in (BOUGHT, SOLD, BOOK, CONTEXT)] == [
        [Trade(BTC.id, 1781210059172 * MS, 7, "1781210059172-1", 63366.0, 0.5, Side.BUY, False)],
        [Trade(BTC.id, 1781210059173 * MS, 7, "1781210059173-2", 63365.0, 1e-05, Side.SELL, False)],
        [
            BookSnapshot(
                *(BTC.id, 1781210060000 * MS, 7, 1781210060000),
                *([(63365.0, 2.0), (63364.0, 1.0)], [(63366.0, 3.5)]),
                is_stream=True,
            )
        ],
        [
            MarkPrice(BTC.id, 1781210076985 * MS, 7, 63374.0, 63405.0, -3.5e-06, None, 1.0),
            OpenInterest(BTC.id, 1781210076985 * MS, 7, 31347.5, None),
        ],
    ]
    assert decoder.named == {"BTC": BTC}


def test_equal_rows_are_two_trades() -> None:
    """Nothing tells a row sent twice from two fills alike: both count, under ids of their own."""
    decoder = RowDecoder(BTC)
    ids = [event.trade_id for _ in range(2) for event in decoder.decode(BOUGHT, 7) if isinstance(event, Trade)]  # type: ignore[union-attr]  # a list, as above
    assert ids == ["1781210059172-1", "1781210059172-2"]


def test_a_context_without_a_price_is_passed_over() -> None:
    """A mark of 0 means that there is none; an oracle of 0 that it is not told."""
    decoder = RowDecoder(BTC)
    assert decoder.decode(CONTEXT.replace(b"63374.0", b"0"), 7) == Ignored("unpriced")
    told = decoder.decode(CONTEXT.replace(b"63405.0", b"0"), 7)
    assert isinstance(told, list)
    assert isinstance(told[0], MarkPrice)
    assert told[0].index is None


@pytest.mark.parametrize(
    "row",
    [
        BOUGHT.replace(b'"B"', b'"X"'),
        BOUGHT.replace(b"0.5", b"0"),
        BOUGHT.replace(b"1781210059172", b"1781210059"),
        BOOK.replace(b"63364.0", b"63367.0"),
        CONTEXT.replace(b"-3.5e-06", b"-3.5"),
        b'{"ts":1781210059172}',
        b"[1]",
        b"\xff",
    ],
    ids=["side", "size", "seconds", "order", "rate", "nothing", "list", "bytes"],
)
def test_anything_else_is_rejected(row: bytes) -> None:
    """A figure that cannot be one costs that row, never a traceback."""
    with pytest.raises(FrameError, match="BTC-USDC-PERP"):
        RowDecoder(BTC).decode(row, 7)


def rows(path: Path, *written: bytes) -> Path:
    """A file of rows."""
    path.write_bytes(b"".join(row + b"\n" for row in written))
    return path


@pytest.mark.parametrize(
    ("name", "venue", "symbol", "instrument"),
    [
        ("hyperliquid_btc_20260611.jsonl", None, None, "BTC-USDC-PERP.HYPERLIQUID"),
        ("hyperliquid_btc_20260611.jsonl", None, "kPEPE", "KPEPE-USDC-PERP.HYPERLIQUID"),
        ("hyperliquid_btc_20260611.jsonl", None, "eth-usdc-perp.hyperliquid", "ETH-USDC-PERP.HYPERLIQUID"),
        ("hyperliquid_btc_20260611.jsonl", None, "ETH-USDC-PERP.HYPERLIQUID", "ETH-USDC-PERP.HYPERLIQUID"),
        ("x.jsonl", "hyperliquid", "sol", "SOL-USDC-PERP.HYPERLIQUID"),
        ("hyperliquid_btcusdt.jsonl", "binance", "ETHUSDT", "ETH-USDT-PERP.BINANCE"),
        ("binance_ethusdt_1.jsonl", None, None, "ETH-USDT-PERP.BINANCE"),
    ],
    ids=["file-name", "flag-outranks", "id-folded", "id", "flags-alone", "both-flags", "other-venue"],
)
def test_rows_are_of_whom_the_user_or_the_name_says(
    tmp_path: Path, name: str, venue: str | None, symbol: str | None, instrument: str
) -> None:
    """The flags first, then the file's name."""
    tape = Tape(rows(tmp_path / name, BOUGHT))
    rows_of = cast(tape, venue, symbol, print).rows_of
    assert rows_of is not None
    assert rows_of.id.upper() == instrument


@pytest.mark.parametrize(
    ("name", "venue", "symbol", "code"),
    [
        ("btc.jsonl", None, None, "recording-venue"),
        ("btc.jsonl", None, "BTC", "recording-venue"),
        ("x.jsonl", "hyperliquid", None, "recording-instrument"),
        ("hyperliquid_btc_.jsonl", None, "BTCUSDT", "symbol-unknown"),
        ("hyperliquid.jsonl", None, "BTCUSDT", "symbol-unknown"),
        ("hyperliquid_btc_.jsonl", "hyperliquidd", None, "venue-unknown"),
    ],
    ids=["no-venue", "symbol-alone", "no-symbol", "not-its-symbol", "not-its-symbol-unnamed", "no-such-venue"],
)
def test_rows_of_nobody_are_refused(
    tmp_path: Path, name: str, venue: str | None, symbol: str | None, code: str
) -> None:
    """What is missing is said, with the flag that says it; a symbol unlike any has the nearest."""
    with pytest.raises((ConfigError, DataError)) as caught:
        replay_tape(rows(tmp_path / name, BOUGHT), venue=venue, symbol=symbol)
    assert caught.value.code == code
    if name == "hyperliquid_btc_.jsonl":
        assert "did you mean" in (caught.value.hint or "")


def test_a_bad_row_costs_that_row(tmp_path: Path) -> None:
    """Rejected and counted, in the middle of the others; a row out of time moves no clock back."""
    path = rows(tmp_path / "hyperliquid_btc_x", SOLD, b'{"ts":1781210059174,"px":-1}', b"???", BOUGHT, BOOK, CONTEXT)
    report = replay_tape(path)
    assert (report.frames, report.decoded, report.rejected, report.form) == (6, 4, 2, "rows")
    assert report.events == {"trade": 2, "book_snapshot": 1, "mark_price": 1, "open_interest": 1}
    assert (report.venues, report.gaps, report.book.compared) == (["hyperliquid"], 0, 0)
