"""How far decisions go at a moment: the mode, arming, the kill switch, the journal and the exchange, as one word."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from perpscope.app import trading_mode
from perpscope.app.trade.standing import Watcher
from perpscope.app.trading_mode import Armed, Mode
from perpscope.model.instrument import InstrumentId
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Contact
from perpscope.settings import Trade

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
ALLOWED = Trade(live_enabled=True)
NOW = 1_000_000
WELL = Contact(is_streaming=True, calls=10, errors=0, skew_ms=2.0, reconciled_ms=1, is_mismatched=False)


def watcher(folder: Path, kind: RunKind = RunKind.PAPER, trade: Trade = ALLOWED) -> Watcher:
    """One that has not looked yet."""
    return Watcher(folder / "m.db", trade, kind, "burst", BTC, NOW)


def arm(folder: Path, strategy: str = "burst", until_ms: int = 2 * NOW) -> None:
    """Let the mode be live."""
    armed = Armed(instrument=BTC, strategy=strategy, until_ms=until_ms)
    trading_mode.raised(folder / "m.db", Mode.LIVE, who="a test", now_ms=1, trade=ALLOWED, armed=armed)


def test_it_is_told_when_it_changes_and_never_again(tmp_path: Path) -> None:
    """The first look tells; another only if something is another."""
    own = watcher(tmp_path)
    first = own.look(1, NOW, None)
    assert first is not None
    assert (first.mode, first.halted, own.words) == (Mode.PAPER, "", "mode paper")
    assert own.look(2, NOW, None) is None
    trading_mode.lowered(tmp_path / "m.db", Mode.OBSERVE, who="a test", now_ms=1, trade=ALLOWED)
    again = own.look(3, NOW, None)
    assert again is not None
    assert (again.mode, again.ts_recv) == (Mode.OBSERVE, 3)


def test_paper_stays_paper_where_live_is_armed(tmp_path: Path) -> None:
    """A paper run never rises above paper."""
    arm(tmp_path)
    told = watcher(tmp_path).look(1, NOW, None)
    assert told is not None
    assert told.mode == Mode.PAPER


@pytest.mark.parametrize(
    ("strategy", "wall_ms", "mode"),
    [("burst", NOW, Mode.LIVE), ("hold", NOW, Mode.OBSERVE), ("burst", 2 * NOW, Mode.OBSERVE)],
)
def test_live_opens_only_what_is_armed_and_for_as_long(strategy: str, wall_ms: int, mode: Mode, tmp_path: Path) -> None:
    """For another strategy, or when the time is over, nothing may be opened. Keeps S2-62."""
    arm(tmp_path, strategy)
    own = watcher(tmp_path, RunKind.LIVE)
    told = own.look(1, wall_ms, WELL)
    assert told is not None
    assert told.mode == mode
    assert own.armed_until_ms == (2 * NOW if mode is Mode.LIVE else None)


def test_live_is_not_opened_by_mode_paper(tmp_path: Path) -> None:
    """Paper is below live: risk must let nothing pass to a real exchange."""
    told = watcher(tmp_path, RunKind.LIVE).look(1, NOW, WELL)
    assert told is not None
    assert told.mode == Mode.OBSERVE


def test_halted_ending_and_reset(tmp_path: Path) -> None:
    """The kill switch comes before the run's own end; a reset is told once, and not one of before the run."""
    own, database = watcher(tmp_path), tmp_path / "m.db"
    own.look(1, NOW, None)
    own.ending = "the run ends"
    told = own.look(2, NOW, None)
    assert told is not None
    assert told.halted == "the run ends"
    trading_mode.halted(database, who="a test", why="enough", now_ms=NOW, trade=ALLOWED)
    told = own.look(3, NOW, None)
    assert told is not None
    assert (told.halted, told.is_reset, own.words) == ("enough", False, "mode paper, halted: enough")
    trading_mode.reset(database, who="a test", now_ms=NOW + 1, trade=ALLOWED)
    own.ending = ""
    told = own.look(4, NOW + 1, None)
    assert told is not None
    assert (told.halted, told.is_reset) == ("", True)
    assert own.look(5, NOW + 1, None) is None


def test_a_journal_that_cannot_be_written_lets_nothing_be_opened(tmp_path: Path) -> None:
    """The mode is said to be observe until it can be written again."""
    own = watcher(tmp_path)
    own.is_journal_sick = True
    told = own.look(1, NOW, None)
    assert told is not None
    assert (told.mode, own.mode) == (Mode.OBSERVE, Mode.PAPER)


def test_the_exchange_is_heard_where_it_errs(tmp_path: Path) -> None:
    """Calls count where some failed, so that a quiet minute is no news; skew and mismatch are told as they are."""
    own = watcher(tmp_path, RunKind.LIVE)
    told = own.look(1, NOW, WELL)
    assert told is not None
    assert (told.calls, told.errors, told.skew_ns) == (0, 0, 2_000_000)
    assert own.look(2, NOW, replace(WELL, calls=11)) is None
    told = own.look(3, NOW, replace(WELL, calls=12, errors=3, is_mismatched=True, skew_ms=None))
    assert told is not None
    assert (told.calls, told.errors, told.is_mismatched, told.skew_ns) == (12, 3, True, 0)
