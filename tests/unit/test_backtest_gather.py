"""From what a person names to a material: content decides, names help, and what is wrong is said."""

from pathlib import Path

import pytest
from tests.unit.backtest_data import (
    BEGIN_MS,
    MINUTE_MS,
    book_row,
    candle_file,
    context_row,
    funding_file,
    trade_row,
    walk,
    write_csv,
    write_rows,
)

from perpscope.app.backtest.asking import Asked, asked_of, moment, ways
from perpscope.app.backtest.gather import gathered
from perpscope.app.backtest.material import Kind
from perpscope.errors import ConfigError, DataError, PerpscopeError
from perpscope.model.market import Candle, FundingPaid, Interval
from perpscope.trading.strategy import Needs

BEGIN = BEGIN_MS * 1_000_000
FRAMES = [
    b'{"e":"bookTicker","u":9,"s":"BTCUSDT","b":"60000.0","B":"2.5","a":"60000.1","A":"1.0","T":%d,"E":%d}',
    b'{"e":"trade","E":%d,"T":%d,"s":"BTCUSDT","t":1,"p":"60000.1","q":"0.5","X":"MARKET","m":false}',
]


def frame_file(folder: Path, count: int = 30) -> Path:
    """Lines of `<receipt ns> <frame>`: quotes and trades by turns, two a second."""
    path = folder / "usdm_btcusdt.txt"
    lines = []
    for number in range(count):
        ms = BEGIN_MS + number * 500
        frame = FRAMES[number % 2] % (ms, ms)
        lines.append(b"%d %s\n" % (ms * 1_000_000 + 5_000_000, frame.replace(b'"t":1,', b'"t":%d,' % number)))
    path.write_bytes(b"".join(lines))
    return path


def test_candles_with_their_funding_and_marks(tmp_path: Path) -> None:
    """A folder gives the candles, and the funding beside them, each payment at its mark. Keeps B23."""
    candle_file(tmp_path, 120)
    hour = BEGIN_MS + 60 * MINUTE_MS
    funding_file(tmp_path, [hour, BEGIN_MS - 8 * 60 * MINUTE_MS])
    write_csv(tmp_path / "binance_BTCUSDT-1h-mark.csv", [[hour, 60_500.0, 60_600.0, 60_400.0, 60_500.0, 0.0]])
    found = gathered([tmp_path], Asked(), database=None)
    assert (found.kind, found.instrument.id, found.coverage) == (Kind.CANDLES, "BTC-USDT-PERP.BINANCE", 1.0)
    events = list(found.events())
    (paid,) = [event for event in events if isinstance(event, FundingPaid)]
    assert (paid.ts_event, paid.funding_rate, paid.mark) == (hour * 1_000_000, 0.0001, 60_500.0)
    before = events[events.index(paid) - 1]
    assert isinstance(before, Candle)
    assert before.ts_event == paid.ts_event
    assert any("1 payments of" in note for note in found.notes)
    assert found.offers == Needs.CANDLES | Needs.MAP


def test_the_same_market_has_one_hash(tmp_path: Path) -> None:
    """Read again, packed otherwise or beside other files it is the same; one price changed and it is not."""
    rows = walk(50)
    plain = gathered([write_csv(tmp_path / "binance_BTCUSDT_1m.csv", rows)], Asked(), database=None)
    packed = gathered([write_csv(tmp_path / "binance_BTCUSDT_1m.csv.gz", rows)], Asked(), database=None)
    other = gathered([write_csv(tmp_path / "bybit_BTCUSDT_1m.csv", rows)], Asked(), database=None)
    rows[20][4] += 0.1
    rows[20][2] += 0.1
    moved = gathered([write_csv(tmp_path / "binance_BTCUSDT_1m.csv", rows)], Asked(), database=None)
    assert plain.data_hash == packed.data_hash
    assert len({plain.data_hash, other.data_hash, moved.data_hash}) == 3


def test_a_hole_in_candles_is_told(tmp_path: Path) -> None:
    """Ten of a hundred minutes missing: nine tenths seen, and a note. Keeps B23."""
    rows = walk(100)
    found = gathered([write_csv(tmp_path / "BTCUSDT.csv", rows[:40] + rows[50:])], Asked(), database=None)
    assert found.coverage == pytest.approx(0.9)
    assert any("missing in 1 places" in note for note in found.notes)


def test_a_time_that_was_asked_for_and_is_not_there_was_not_seen(tmp_path: Path) -> None:
    """Half of what was asked for is half seen."""
    path = candle_file(tmp_path, 100)
    asked = asked_of(None, None, str(BEGIN_MS - 100 * MINUTE_MS), str(BEGIN_MS + 100 * MINUTE_MS))
    assert gathered([path], asked, database=None).coverage == pytest.approx(0.5)
    within = asked_of(None, None, str(BEGIN_MS + 10 * MINUTE_MS), str(BEGIN_MS + 30 * MINUTE_MS))
    found = gathered([path], within, database=None)
    assert (len(found.tape), found.coverage) == (20, 1.0)


def test_longer_candles_are_taken_as_they_are(tmp_path: Path) -> None:
    """Candles of four hours: asked at each, said in the notes; shorter ones go before longer. Keeps B23."""
    rows = [[BEGIN_MS + n * 240 * MINUTE_MS, *row[1:]] for n, row in enumerate(walk(30))]
    found = gathered([write_csv(tmp_path / "binance_BTCUSDT_4h.csv", rows)], Asked(), database=None)
    assert (found.interval_ns, found.candles) == (240 * MINUTE_MS * 1_000_000, Interval.H1)
    assert any("candles of 240 minutes" in note for note in found.notes)
    candle_file(tmp_path, 60)
    both = gathered([tmp_path], Asked(), database=None)
    assert both.interval_ns == MINUTE_MS * 1_000_000
    assert any("240 min left aside" in note for note in both.notes)


def test_rows_of_a_folder_are_one_market(tmp_path: Path) -> None:
    """Trades, books and contexts of one coin; another coin's files and what is no data are passed over."""
    for coin in ("btc", "eth"):
        write_rows(
            tmp_path / f"hyperliquid_{coin}_x_trades.jsonl.gz", [trade_row(n * 500, 100.0 + n) for n in range(60)]
        )
    write_rows(tmp_path / "hyperliquid_btc_x_l2.jsonl.gz", [book_row(n * 1000, 100.0) for n in range(30)])
    write_rows(tmp_path / "hyperliquid_btc_x_ctx.jsonl.gz", [context_row(n * 10_000, 100.0) for n in range(3)])
    (tmp_path / "notes.txt").write_text("nothing of the market\n")
    found = gathered([tmp_path], Asked(symbol="BTC", needs=Needs.BOOK), database=None)
    assert (found.kind, found.instrument.id) == (Kind.BOOKS, "BTC-USDC-PERP.HYPERLIQUID")
    assert found.offers == Needs.CANDLES | Needs.TRADES | Needs.BOOK | Needs.MAP
    assert found.sources == [f"hyperliquid_btc_x_{kind}.jsonl.gz" for kind in ("ctx", "l2", "trades")]
    assert any("passed over" in note and "notes.txt" in note for note in found.notes)
    assert found.coverage == 1.0
    with pytest.raises(ConfigError) as caught:
        gathered([tmp_path], Asked(), database=None)
    assert caught.value.code == "backtest-several"


def test_coverage_is_of_what_the_strategy_looks_at(tmp_path: Path) -> None:
    """A book of the first half only: a strategy that needs it saw half, one that does not saw all. Keeps B23."""
    trades = write_rows(tmp_path / "hyperliquid_btc_t.jsonl.gz", [trade_row(n * 500, 100.0 + n) for n in range(1200)])
    books = write_rows(tmp_path / "hyperliquid_btc_b.jsonl.gz", [book_row(n * 1000, 100.0) for n in range(300)])
    needy = gathered([trades, books], Asked(needs=Needs.BOOK | Needs.CANDLES), database=None)
    assert needy.coverage == pytest.approx(0.5, abs=0.01)
    assert any("books: 49" in note or "books: 50" in note for note in needy.notes)
    assert gathered([trades, books], Asked(needs=Needs.CANDLES), database=None).coverage == 1.0


def test_what_is_said_of_rows_outranks_their_name(tmp_path: Path) -> None:
    """`--venue` and `--symbol` name rows that name nothing. Keeps B23."""
    path = write_rows(tmp_path / "rows.jsonl.gz", [trade_row(n * 500, 100.0 + n) for n in range(60)])
    found = gathered([path], Asked(venue="hyperliquid", symbol="ETH"), database=None)
    assert found.instrument.id == "ETH-USDC-PERP.HYPERLIQUID"
    own = write_rows(tmp_path / "hyperliquid_btc_t.jsonl.gz", [trade_row(n * 500, 100.0 + n) for n in range(60)])
    renamed = gathered([own], Asked(venue="hyperliquid", symbol="ETH"), database=None)
    assert renamed.instrument.id == "ETH-USDC-PERP.HYPERLIQUID"
    with pytest.raises(DataError) as caught:
        gathered([path], Asked(), database=None)
    assert caught.value.code == "recording-venue"


def test_rows_without_a_price_are_no_market(tmp_path: Path) -> None:
    """Contexts alone cannot be traded on."""
    path = write_rows(tmp_path / "hyperliquid_btc_ctx.jsonl.gz", [context_row(n * 60_000, 100.0) for n in range(5)])
    with pytest.raises(DataError) as caught:
        gathered([path], Asked(), database=None)
    assert caught.value.code == "backtest-empty"


def test_frames_go_through_the_real_decoders(tmp_path: Path) -> None:
    """Recorded frames tell trades and quotes with their receipts. Keeps B23."""
    found = gathered([frame_file(tmp_path)], Asked(), database=None)
    assert (found.kind, found.instrument.id, found.has_receipts) == (Kind.FRAMES, "BTC-USDT-PERP.BINANCE", True)
    assert found.offers == Needs.CANDLES | Needs.TRADES | Needs.BOOK | Needs.MAP
    assert found.interval_ns == 0
    assert 0.0 < found.coverage <= 1.0
    part = gathered(
        [frame_file(tmp_path)], Asked(from_ns=BEGIN + 5_000_000_000, to_ns=BEGIN + 9_000_000_000), database=None
    )
    assert 0 < len(part.tape) < len(found.tape)
    assert part.from_ns == BEGIN + 5_000_000_000
    with pytest.raises(ConfigError) as caught:
        gathered([frame_file(tmp_path)], Asked(symbol="ETH"), database=None)
    assert caught.value.code == "symbol-unknown"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "recording-form"), (b"what is this\n", "recording-form"), (b"\x89PNG\r\n", "recording-form")],
    ids=["empty", "words", "picture"],
)
def test_a_file_that_is_no_data_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    """Named by itself it has to be some; in a folder of nothing else there is nothing. Keeps B23."""
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(DataError) as caught:
        gathered([tmp_path / "f"], Asked(), database=None)
    assert caught.value.code == code
    with pytest.raises(DataError) as caught:
        gathered([tmp_path], Asked(), database=None)
    assert caught.value.code == "backtest-file"


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A missing file, an empty folder, and no data at all."""
    (tmp_path / "empty").mkdir()
    for data in ([tmp_path / "none.csv"], [tmp_path / "empty"], []):
        with pytest.raises(PerpscopeError) as caught:
            gathered(data, Asked(), database=None)
        assert caught.value.code == "backtest-missing"


def test_a_file_nobody_may_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own words, in an error of ours."""
    path = candle_file(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("perpscope.app.backtest.gather.candle_files.is_table", refuse)
    with pytest.raises(DataError, match="Permission denied") as caught:
        gathered([path], Asked(), database=None)
    assert caught.value.code == "backtest-file"


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    """Candles and rows beside each other would tell the same market twice."""
    candle_file(tmp_path)
    write_rows(tmp_path / "hyperliquid_btc_t.jsonl.gz", [trade_row(n * 500, 100.0 + n) for n in range(60)])
    with pytest.raises(ConfigError) as caught:
        gathered([tmp_path], Asked(), database=None)
    assert caught.value.code == "backtest-mixed"


def test_funding_without_candles_is_no_market(tmp_path: Path) -> None:
    """Nothing can be filled at a rate."""
    with pytest.raises(DataError) as caught:
        gathered([funding_file(tmp_path, [BEGIN_MS])], Asked(), database=None)
    assert caught.value.code == "backtest-file"


def test_a_time_without_data_is_empty(tmp_path: Path) -> None:
    """Asked for a time before the first candle, or the first trade, there is nothing to run over."""
    early = Asked(to_ns=BEGIN - 1)
    rows = write_rows(tmp_path / "hyperliquid_btc_t.jsonl.gz", [trade_row(n * 500, 100.0 + n) for n in range(60)])
    for path in (candle_file(tmp_path), rows):
        with pytest.raises(DataError) as caught:
            gathered([path], early, database=None)
        assert caught.value.code == "backtest-empty"


def test_several_tables_want_a_name(tmp_path: Path) -> None:
    """Of candles of two coins one has to be chosen; a symbol names a file that names nothing."""
    btc, eth = write_csv(tmp_path / "BTCUSDT.csv", walk(20)), write_csv(tmp_path / "ETHUSDT.csv", walk(20))
    with pytest.raises(ConfigError) as caught:
        gathered([btc, eth], Asked(), database=None)
    assert caught.value.code == "backtest-several"
    assert gathered([btc, eth], Asked(symbol="ETH"), database=None).instrument.base == "ETH"
    unnamed = write_csv(tmp_path / "prices.csv", walk(20))
    assert gathered([unnamed], Asked(symbol="SOLUSDT", venue="binance"), database=None).instrument.base == "SOL"


def test_prices_between_ticks_are_said(tmp_path: Path) -> None:
    """Orders are filled at whole ticks, so prices that are none are told."""
    rows = walk(30)
    for row in rows:
        row[4] += 0.037
        row[2] += 0.037
    found = gathered([write_csv(tmp_path / "binance_BTCUSDT.csv", rows)], Asked(), database=None)
    assert any("100% of the prices are no whole ticks of 0.1" in note for note in found.notes)


# what is asked -----------------------------------------------------------------------------------------------------


def test_times_are_told_in_three_forms() -> None:
    """A day, a moment, or epoch ms; UTC unless it says otherwise."""
    assert moment("2026-06-12", "--from") == BEGIN
    assert moment("2026-06-12T00:01", "--from") == BEGIN + 60_000_000_000
    assert moment("2026-06-12T02:00+02:00", "--from") == BEGIN
    assert moment(str(BEGIN_MS), "--from") == BEGIN
    assert moment(None, "--from") is None
    for since, until in (("noon", None), ("2026-06-12", "2026-06-12")):
        with pytest.raises(ConfigError) as caught:
            asked_of(None, None, since, until)
        assert caught.value.code == "option-value"


def test_ways_that_exclude_each_other_are_refused() -> None:
    """One path, and one of a run, a sweep and a walk forward."""
    assert ways("both", sweep=False, walk_forward=False) == ("both", "one")
    assert ways("compiled", sweep=True, walk_forward=False) == ("compiled", "sweep")
    assert ways("compiled", sweep=False, walk_forward=True) == ("compiled", "walk-forward")
    for path, sweep, forward in (("sideways", False, False), ("compiled", True, True), ("events", True, False)):
        with pytest.raises(ConfigError) as caught:
            ways(path, sweep=sweep, walk_forward=forward)
        assert caught.value.code == "option-value"
