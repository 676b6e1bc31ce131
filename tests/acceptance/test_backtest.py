"""Backtests on real recordings: candles, rows of books and trades, raw frames; each the same on both paths, twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from perpscope.cli.main import run

Captured = pytest.CaptureFixture[str]

pytestmark = pytest.mark.unmeasured


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's own configuration or data."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)


def told(capsys: Captured, *words: object) -> dict[str, Any]:
    """What `backtest --json` prints."""
    assert run(["backtest", *(str(word) for word in words), "--db", "m.db", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_candles_with_funding_and_marks(recordings: Path, capsys: Captured) -> None:
    """Binance's minutes around a settlement: bought once, funding paid, one hash on both paths. Keeps B23."""
    words = ("hold", recordings / "history/klines/binance_usdm_1m_2025-05", "--symbol", "BTC")
    span = ("--from", "2025-05-05T06:00", "--to", "2025-05-05T10:00")
    one = told(capsys, *words, *span, "--path", "both")
    assert told(capsys, *words, *span)["hash"] == one["hash"]
    assert (one["trades"], one["equity_error"], one["coverage"]) == (1, 0, 1.0)
    assert one["instrument"] == "BTC-USDT-PERP.BINANCE"
    assert one["funding"] != 0.0
    assert one["net"] == pytest.approx(one["gross"] - one["fees"] - one["funding"], abs=1e-6)
    assert one["verdict"] == "too-few-trades"


def test_books_trades_and_contexts(recordings: Path, capsys: Captured) -> None:
    """Hyperliquid's rows: what looks at the book runs on it, event by event as compiled. Keeps B23."""
    files = [recordings / f"books/hyperliquid_doge_20260614_{kind}.jsonl.gz" for kind in ("trades", "l2", "ctx")]
    span = ("--from", "2026-06-14T00:00", "--to", "2026-06-14T00:12")
    one = told(capsys, "burst", *files, *span, "--path", "both")
    assert told(capsys, "burst", *files, *span)["hash"] == one["hash"]
    assert one["instrument"] == "DOGE-USDC-PERP.HYPERLIQUID"
    assert one["equity_error"] == 0
    assert one["coverage"] > 0.97
    assert any("books are told every" in note for note in one["notes"])


def test_what_was_not_seen_is_not_counted(recordings: Path, capsys: Captured) -> None:
    """On 2026-06-12 the recorder was blind from 02:10:52 to 02:28:49; its rows came later. Keeps B23."""
    path = recordings / "books/hyperliquid_btc_20260612_trades.jsonl.gz"
    one = told(capsys, "hold", path, "--from", "2026-06-12T02:05", "--to", "2026-06-12T02:35")
    assert one["coverage"] == pytest.approx(1.0 - 1077.0 / 1800.0, abs=0.01)
    notes = "\n".join(one["notes"])
    assert "too late in their file" in notes
    assert "rows of trades twice" in notes


def test_a_short_recording_of_raw_frames(recordings: Path, capsys: Captured) -> None:
    """Half a minute of Hyperliquid's own frames, through its decoder, on both paths. Keeps B23."""
    one = told(capsys, "burst", recordings / "wire/hyperliquid/btc_20250126.gz", "--path", "both")
    assert (one["instrument"], one["equity_error"]) == ("BTC-USDC-PERP.HYPERLIQUID", 0)
    assert one["coverage"] > 0.8


@pytest.mark.soak
def test_raw_frames_of_deltas(recordings: Path, capsys: Captured) -> None:
    """Binance's own frames, books bridged by the venue's rules; half a minute of them. Keeps B23."""
    path = recordings / "wire/binance/usdm_btcusdt_20240808.gz"
    span = ("--from", "2024-08-08T23:57:00", "--to", "2024-08-08T23:57:30")
    one = told(capsys, "burst", path, *span, "--path", "both")
    assert (one["instrument"], one["equity_error"]) == ("BTC-USDT-PERP.BINANCE", 0)
    assert one["coverage"] > 0.95


def test_a_book_is_asked_for_where_there_is_none(recordings: Path, capsys: Captured) -> None:
    """The strategy that looks at the book answers so on real candles."""
    folder = recordings / "history/klines/okx_swap_1m_2026-01"
    assert run(["backtest", "burst", str(folder), "--db", "m.db"]) == 2
    assert "error strategy-needs-book" in capsys.readouterr().err
