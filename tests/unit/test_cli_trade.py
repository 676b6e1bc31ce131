"""What `paper` and `trade` say while they run, and how the end is told."""

import io
from pathlib import Path

import msgspec
import pytest

from perpscope.app.answers.trade import label_of, label_words, money_words
from perpscope.app.trade.run import Answer
from perpscope.cli.main import run
from perpscope.cli.trade import _line, print_answer
from perpscope.model.instrument import InstrumentId
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Held, Money, Spread, TradeStatus

FLAT = Held(
    side=None, size=0.0, entry_price=None, mark=None, margin=0.0, liquidation_price=None, unrealised=0.0, stop=None
)
STATUS = TradeStatus(
    run="7f3a",
    kind=RunKind.PAPER,
    strategy="burst",
    instrument=InstrumentId("BTC-USDT-PERP.BINANCE"),
    data="observed",
    pid=1,
    begun_ms=0,
    at_ms=0,
    market_ms=60_000,
    is_over=False,
    mode="paper",
    halted="",
    decisions=1,
    orders=2,
    fills=1,
    held=FLAT,
    money=Money(deposit=1000.0, equity=990.5, realised=0.0, fees=0.0, funding=0.0),
)
LONG = msgspec.structs.replace(FLAT, side="LONG", size=0.5, entry_price=100.0, mark=101.0)
ANSWER = Answer(
    run="7f3a",
    kind=RunKind.LIVE,
    label="DEMO",
    strategy="burst",
    instrument="BTC-USDT-PERP.BINANCE",
    data="demo",
    decisions=3,
    decision_hash="a",
    replay_hash="a",
    orders=2,
    fills=2,
    duplicate_orders=0,
    unexplained_orders=0,
    naked_seconds_max=0.0,
    position=0.0,
    position_matches=True,
    equity=990.5,
    net=-9.5,
    latency_ms=Spread(),
    stages_ms={},
    refused={},
    halted="",
    is_over=True,
    recording="r",
    verdict="too-few-trades",
    why="1 trade: below 30 nothing can be said.",
)


@pytest.mark.parametrize(
    ("kind", "data", "label"),
    [
        (RunKind.PAPER, "observed", "PAPER"),
        (RunKind.PAPER, "demo", "PAPER, DEMO DATA"),
        (RunKind.LIVE, "demo", "DEMO"),
        (RunKind.LIVE, "observed", "LIVE"),
    ],
)
def test_the_label_says_whose_money_it_is(kind: RunKind, data: str, label: str) -> None:
    """Live is said of real money alone."""
    assert label_words(kind, data) == label
    assert money_words(label_of(kind, data)).endswith("YOUR MONEY") is (label == "LIVE")


def test_a_line_says_what_is_held_and_what_protects_it() -> None:
    """Flat, protected, and what nobody must miss: no stop, halted."""
    assert _line("PAPER", STATUS) == (
        "PAPER 01-01 00:01:00 · mark – · flat · equity 990.50 (-9.50) · 2 orders, 1 fills"
    )
    held = msgspec.structs.replace(STATUS, held=msgspec.structs.replace(LONG, stop=98.0))
    assert "mark 101 · LONG 0.5 at 100, stop 98 ·" in _line("LIVE", held)
    naked = msgspec.structs.replace(STATUS, held=LONG, halted="kill-switch")
    assert "LONG 0.5 at 100, NO STOP" in _line("LIVE", naked)
    assert _line("LIVE", naked).endswith("HALTED: kill-switch")


def test_the_end_is_told_with_what_does_not_agree() -> None:
    """A replay that differs, a position and a wallet that are not the exchange's, are said aloud."""
    out = io.StringIO()
    print_answer(ANSWER, "DEMO", out=out)
    assert "the replay decides the same" in out.getvalue()
    assert "(agrees)" in out.getvalue()
    assert "wallet" not in out.getvalue()
    out = io.StringIO()
    off = msgspec.structs.replace(ANSWER, replay_hash="b", position_matches=False, verdict="", wallet_off=-3.25)
    print_answer(off, "DEMO", out=out)
    assert "THE REPLAY DIFFERS" in out.getvalue()
    assert "DOES NOT AGREE" in out.getvalue()
    assert "the exchange's wallet has -3.25 beyond these books" in out.getvalue()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("trade", "hold", "--live", "--config"), "trade-keys"),
        (("paper", "hold", "--lab", "--symbol", "NOSUCH", "--config"), "symbol-unknown"),
        (("paper", "hold", "--lab", "--venue", "moon", "--config"), "venue-unknown"),
        (("paper", "nosuch", "--lab", "--config"), "strategy-unknown"),
    ],
    ids=["no keys", "no such symbol", "no such venue", "no such strategy"],
)
def test_what_is_wrong_is_told_before_anything_is_compiled(
    words: tuple[str, ...],
    code: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Compiling may take minutes; nobody waits for it to read that a key is missing."""
    for name in ("PERPSCOPE_TRADE_KEY", "PERPSCOPE_TRADE_SECRET"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "c.toml"
    config.write_text("[trade]\nlive_enabled = true\n")
    assert run([*words, str(config), "--db", str(tmp_path / "m.db")]) == 2
    told = capsys.readouterr().err
    assert f"error {code}" in told
    assert "compiling" not in told
