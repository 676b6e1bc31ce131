"""The mode and the kill switch: they survive a restart, fall freely, and rise by an explicit act alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from perpscope.app import trading_mode
from perpscope.app.trading_mode import Armed, Mode, place, read
from perpscope.errors import ConfigError
from perpscope.model.instrument import InstrumentId
from perpscope.settings import Trade

PAPER = Trade()
OBSERVE = Trade(mode="observe")
LIVE = Trade(live_enabled=True)
NOW = 1_782_000_000_000
ARMED = Armed(instrument=InstrumentId("BTC-USDT-PERP.BINANCE"), strategy="burst", until_ms=NOW + 60_000)


def test_a_database_begins_in_the_mode_of_its_settings(tmp_path: Path) -> None:
    """Without a file of its own: paper, or observe where that is set; nobody did it. Keeps S2-62."""
    assert read(tmp_path / "db", PAPER).mode is Mode.PAPER
    assert read(tmp_path / "db", OBSERVE).mode is Mode.OBSERVE
    assert read(tmp_path / "db", LIVE).mode is Mode.PAPER
    assert read(tmp_path / "db", PAPER).since is None


def test_the_mode_falls_and_is_still_there_after_a_restart(tmp_path: Path) -> None:
    """What somebody set is read by whoever comes next, with who and when. Keeps S2-62."""
    trading_mode.lowered(tmp_path / "db", Mode.OBSERVE, who="kim", now_ms=NOW, trade=PAPER)
    found = read(tmp_path / "db", PAPER)
    assert found.mode is Mode.OBSERVE
    assert found.since is not None
    assert (found.since.who, found.since.at_ms, found.since.what) == ("kim", NOW, "observe")


def test_the_mode_rises_by_an_explicit_act_alone(tmp_path: Path) -> None:
    """`lowered` never raises; `raised` does. Keeps S2-62."""
    db = tmp_path / "db"
    trading_mode.lowered(db, Mode.OBSERVE, who="kim", now_ms=NOW, trade=PAPER)
    with pytest.raises(ConfigError, match="observe rises to paper by an explicit act") as caught:
        trading_mode.lowered(db, Mode.PAPER, who="bot", now_ms=NOW, trade=PAPER)
    assert caught.value.hint == "perpscope risk mode paper --yes"
    assert read(db, PAPER).mode is Mode.OBSERVE
    assert trading_mode.raised(db, Mode.PAPER, who="kim", now_ms=NOW, trade=PAPER).mode is Mode.PAPER
    with pytest.raises(ConfigError) as caught:
        trading_mode.lowered(db, Mode.LIVE, who="bot", now_ms=NOW, trade=LIVE)
    assert caught.value.hint == "perpscope trade arm"


@pytest.mark.parametrize(
    ("mode", "trade", "is_armed", "code"),
    [
        (Mode.LIVE, PAPER, True, "mode-not-allowed"),
        (Mode.LIVE, LIVE, False, "live-not-armed"),
        (Mode.PAPER, OBSERVE, False, "mode-not-allowed"),
    ],
    ids=["not-enabled", "not-armed", "observe-only"],
)
def test_the_settings_are_the_ceiling(tmp_path: Path, mode: Mode, trade: Trade, is_armed: bool, code: str) -> None:
    """Live needs to be enabled and armed, paper to be allowed. Keeps S2-62."""
    with pytest.raises(ConfigError) as caught:
        trading_mode.raised(
            tmp_path / "db", mode, who="kim", now_ms=NOW, trade=trade, armed=ARMED if is_armed else None
        )
    assert caught.value.code == code
    assert not place(tmp_path / "db").exists()


def test_whatever_ends_live_disarms(tmp_path: Path) -> None:
    """A halt, a reset, a lower mode and settings that forbid it: live has to be armed again. Keeps S2-62."""
    db = tmp_path / "db"
    assert trading_mode.raised(db, Mode.LIVE, who="kim", now_ms=NOW, trade=LIVE, armed=ARMED).armed == ARMED
    assert read(db, LIVE).armed == ARMED
    assert read(db, PAPER).armed is None
    assert trading_mode.lowered(db, Mode.LIVE, who="bot", now_ms=NOW, trade=LIVE).armed == ARMED
    assert trading_mode.halted(db, who="bot", why="", now_ms=NOW, trade=LIVE).armed is None
    assert trading_mode.reset(db, who="kim", now_ms=NOW, trade=LIVE).armed is None
    trading_mode.raised(db, Mode.LIVE, who="kim", now_ms=NOW, trade=LIVE, armed=ARMED)
    assert trading_mode.lowered(db, Mode.PAPER, who="bot", now_ms=NOW, trade=LIVE).armed is None
    assert read(db, LIVE).armed is None


def test_live_that_is_enabled_no_more_is_paper(tmp_path: Path) -> None:
    """A file that says live binds nobody once the settings do not."""
    db = tmp_path / "db"
    trading_mode.raised(db, Mode.LIVE, who="kim", now_ms=NOW, trade=LIVE, armed=ARMED)
    assert read(db, LIVE).mode is Mode.LIVE
    assert read(db, PAPER).mode is Mode.PAPER
    assert read(db, OBSERVE).mode is Mode.OBSERVE


def test_the_kill_switch_stays_pulled_until_it_is_reset(tmp_path: Path) -> None:
    """Halted survives everything but a reset, keeps its first why, and live is not back after it. Keeps S2-62."""
    db = tmp_path / "db"
    trading_mode.raised(db, Mode.LIVE, who="kim", now_ms=NOW, trade=LIVE, armed=ARMED)
    trading_mode.halted(db, who="bot", why="three orders rejected", now_ms=NOW + 1, trade=LIVE)
    assert trading_mode.halted(db, who="kim", why="", now_ms=NOW + 2, trade=LIVE).halted == "three orders rejected"
    with pytest.raises(ConfigError, match="halted: three orders rejected"):
        trading_mode.raised(db, Mode.PAPER, who="kim", now_ms=NOW + 3, trade=LIVE)
    assert trading_mode.lowered(db, Mode.PAPER, who="kim", now_ms=NOW, trade=LIVE).halted == "three orders rejected"
    found = trading_mode.reset(db, who="kim", now_ms=NOW + 4, trade=LIVE)
    assert (found.mode, found.halted) == (Mode.PAPER, "")
    assert [act.what for act in found.acts] == ["live", "halt", "halt", "paper", "reset"]
    assert trading_mode.halted(db, who="kim", why="", now_ms=NOW, trade=PAPER).halted == "by hand"


def test_a_file_that_cannot_be_trusted_halts(tmp_path: Path) -> None:
    """Damaged, or of a later version: observe, and halted; a reset writes it anew."""
    db = tmp_path / "db"
    place(db).write_bytes(b"{torn")
    assert read(db, PAPER).mode is Mode.OBSERVE
    assert "cannot be read" in read(db, PAPER).halted
    place(db).write_bytes(msgspec.json.encode({"version": 2, "mode": 1}))
    assert "version 2" in read(db, PAPER).halted
    place(db).write_bytes(b"\xff\xfe")
    assert read(db, PAPER).halted
    assert trading_mode.reset(db, who="kim", now_ms=NOW, trade=PAPER) == read(db, PAPER)
    assert read(db, PAPER).halted == ""


def test_acts_are_kept_but_not_without_end(tmp_path: Path) -> None:
    """The file stays small however often the mode changes."""
    for k in range(60):
        trading_mode.lowered(tmp_path / "db", Mode.OBSERVE, who="bot", now_ms=k, trade=PAPER)
    assert [act.at_ms for act in read(tmp_path / "db", PAPER).acts] == list(range(10, 60))


def test_acts_at_once_are_all_remembered(tmp_path: Path) -> None:
    """Of a halt among many other acts none is lost, and it holds at the end."""
    db = tmp_path / "db"

    def act(k: int) -> None:
        if k == 7:
            trading_mode.halted(db, who="bot", why="seven", now_ms=k, trade=PAPER)
        else:
            trading_mode.lowered(db, Mode.OBSERVE, who="bot", now_ms=k, trade=PAPER)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(24)))
    found = read(db, PAPER)
    assert sorted(one.at_ms for one in found.acts) == list(range(24))
    assert found.halted == "seven"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """What cannot be written is an error, and what held before holds."""
    with pytest.raises(ConfigError, match="cannot be written") as caught:
        trading_mode.halted(tmp_path / "none" / "db", who="kim", why="", now_ms=NOW, trade=PAPER)
    assert caught.value.code == "mode-file"


def test_a_file_that_cannot_be_replaced_is_told(tmp_path: Path) -> None:
    """A folder stands in its place: told, not lost; and it counts as halted."""
    place(tmp_path / "db").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        trading_mode.halted(tmp_path / "db", who="kim", why="", now_ms=NOW, trade=PAPER)
    assert read(tmp_path / "db", PAPER).halted
