"""Signals from the store to people: kept once, read page by page, pushed as they come, told on the command line."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.contract.store_events import BTC, ETH, NOON, SECOND
from tests.unit.faced_market import Face
from typer.testing import CliRunner

from perpscope.app.answers.signals import SignalsAsked, read_page
from perpscope.app.face import Live
from perpscope.cli.commands import app
from perpscope.errors import ConfigError
from perpscope.model.bulletin import Message, Topic
from perpscope.model.market import PositionSide, Tick
from perpscope.model.order import Edge, Signal
from perpscope.notify.questions import Questions
from perpscope.settings import Settings
from perpscope.stores.retention import sweep
from perpscope.stores.signals import SignalsWanted, read_signals, strategies_told
from perpscope.stores.sqlite import SqliteStore, StoreKind
from perpscope.web.problem import Refused
from perpscope.web.push.board import Board
from perpscope.web.push.channels import EventChannel


def thought(second: int, instrument: object = BTC, **more: object) -> Signal:
    """A signal of so many seconds after noon."""
    of = BTC if instrument is BTC else ETH
    ts = NOON + second * SECOND
    told: dict[str, object] = {
        "instrument": of.id,
        "ts_event": ts,
        "ts_recv": ts + 1,
        "strategy": "burst",
        "side": PositionSide.LONG,
        "why": "burst",
        "values": {"price": 100.5},
        **more,
    }
    return Signal(**told)  # type: ignore[arg-type]  # fields by name


NEAR_MISS = thought(60, why="", failed=("momentum",), values={"price": 100.0, "stop": float("nan")})
FORECAST = thought(
    120,
    strategy="forecast",
    side=None,
    why="no-edge-shown",
    p_up=0.2,
    p_down=0.25,
    edge_bps=-12.0,
    confidence=0.4,
    edge=Edge.NONE,
)
REFUSED = thought(180, ETH, refusal="mode-observe", failed=())
ALL = [thought(0), NEAR_MISS, FORECAST, REFUSED]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store with four signals of two instruments."""
    path = tmp_path / "market.db"
    made = SqliteStore.open(path, kind=StoreKind.DEMO)
    made.register([BTC, ETH])
    made.keep_signals(ALL)
    made.keep_signals([thought(0, why="again")])
    made.sink().accept(Tick(NOON + 200 * SECOND))
    made.flush()
    yield path
    made.close()


def test_a_signal_is_kept_once_and_comes_back_as_it_was(store: Path) -> None:
    """Every field survives; what is not a number is no value; the same moment and strategy stays one. Keeps S2-52."""
    rows = read_signals(store, SignalsWanted(), 10)
    assert [row.signal for row in rows[:2]] == [REFUSED, FORECAST]
    assert rows[2].signal == msgspec.structs.replace(NEAR_MISS, values={"price": 100.0})
    assert rows[3].signal == thought(0)
    assert {(row.venue, row.symbol) for row in rows} == {("binance", "BTCUSDT"), ("binance", "ETHUSDT")}
    assert strategies_told(store) == ["burst", "forecast"]


def test_pages_follow_each_other_without_a_row_twice(store: Path) -> None:
    """A page ends where the next begins, newest first."""
    found, after = [], None
    for _ in range(4):
        page = read_page(store, Settings(), SignalsAsked(), 1, after)
        found += [one.at_ms for one in page.signals]
        after = page.after
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 4
    assert after is None


@pytest.mark.parametrize(
    ("asked", "whys"),
    [
        pytest.param(SignalsAsked(kind="near-misses"), [""], id="near misses"),
        pytest.param(SignalsAsked(kind="signals", strategy="burst"), ["burst", "burst"], id="a strategy's signals"),
        pytest.param(SignalsAsked(side="FLAT"), ["no-edge-shown"], id="flat"),
        pytest.param(SignalsAsked(name="eth"), ["burst"], id="a coin"),
        pytest.param(SignalsAsked(from_ms=NOON // 10**6 + 60_000, to_ms=NOON // 10**6 + 120_000), [""], id="a time"),
    ],
)
def test_signals_are_chosen_by_what_is_asked(store: Path, asked: SignalsAsked, whys: list[str]) -> None:
    """Symbol, strategy, side, kind and time narrow what is told."""
    assert [one.why for one in read_page(store, Settings(), asked, 10).signals] == whys


def test_what_cannot_be_asked_is_refused(store: Path) -> None:
    """A time that ends before it begins, and a name nobody knows."""
    with pytest.raises(ConfigError, match="before it begins"):
        read_page(store, Settings(), SignalsAsked(from_ms=2, to_ms=1), 5)
    with pytest.raises(ConfigError, match="nothing is known"):
        read_page(store, Settings(), SignalsAsked(name="NOSUCH"), 5)


def test_the_api_tells_them(store: Path) -> None:
    """Real rows with filters, a cursor for the rest, and a model's edge as it is. Keeps S2-52."""
    face = Face(store)
    body = face.ask("signals", "limit=3")
    assert [one["strategy"] for one in body["signals"]] == ["burst", "forecast", "burst"]
    assert [one["is_near_miss"] for one in body["signals"]] == [False, False, True]
    told = body["signals"][1]
    assert (told["edge"], told["side"], told["p_up"], told["coin"]) == ("none", "FLAT", 0.2, "BTC")
    assert body["strategies"] == ["burst", "forecast"]
    rest = face.ask("signals", f"limit=3&cursor={body['next']}")
    assert [one["why"] for one in rest["signals"]] == ["burst"]
    assert rest["next"] is None
    assert [one["failed"] for one in face.ask("signals", "kind=near-misses")["signals"]] == [["momentum"]]
    with pytest.raises(Refused):
        face.ask("signals", "kind=nonsense")


async def test_signals_are_pushed_as_they_come() -> None:
    """Who listens to all is told all, who listens to a coin is told its own; late comers are told the newest."""
    await asyncio.sleep(0)
    live = Live(None)
    board = Board(live, lambda: None)
    live.follow(board.told)
    whole, coin = board.open("signals"), board.open("signals:eth")
    live._take(Message(Topic.SIGNALS.value, msgspec.msgpack.encode([FORECAST, REFUSED]), 1, "a"))
    assert board.turn(5)
    assert isinstance(whole, EventChannel)
    assert isinstance(coin, EventChannel)
    assert (whole.seq, coin.seq) == (2, 1)
    assert b'"strategy":"forecast"' in whole.newest[0]
    assert b"ETH-USDT-PERP" in coin.newest[0]
    late = board.open("signals:BTC")
    assert any(b"no-edge-shown" in frame for _, frame in late.owed(None, 6))
    board.close(coin)
    board.close(whole)
    assert set(board.names) >= {"signals", "signals:BTC"}
    assert "signals:ETH" not in board.names


def test_the_command_line_tells_them(store: Path) -> None:
    """One a line, oldest first, with what was looked at if asked; or JSON."""
    run = CliRunner()
    told = run.invoke(app, ["signals", "--db", str(store), "--explain"])
    lines = told.stdout.splitlines()
    assert told.exit_code == 0
    assert [bool(re.match(r"2024-08-08 12:0\d:00", line)) for line in lines if not line.startswith(" ")] == [True] * 4
    assert "near miss LONG" in lines[2]
    assert "failed: momentum" in lines[2]
    assert "    price 100" in lines[3]
    assert "FLAT  up 20.0% down 25.0%  expects -12.0 bp  no-edge-shown  edge none" in told.stdout
    assert "not ordered: mode-observe" in lines[-2]
    as_json = run.invoke(app, ["signals", "--db", str(store), "--json", "--limit", "2"])
    assert [one["strategy"] for one in msgspec.json.decode(as_json.stdout)["signals"]] == ["burst", "forecast"]
    none = run.invoke(app, ["signals", "--db", str(store), "--strategy", "magnet"])
    assert "nothing was thought yet" in none.output


def test_following_tells_each_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes is told as it comes, until Ctrl-C."""
    looks = 0

    def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    told = CliRunner().invoke(app, ["signals", "--db", str(store), "--follow", "--limit", "1", "--json"])
    assert told.exit_code == 0
    rows = [msgspec.json.decode(line) for line in told.stdout.splitlines()]
    assert [row["why"] for row in rows] == ["burst", "burst", "", "no-edge-shown"]


def test_a_chat_is_told_them(store: Path, tmp_path: Path) -> None:
    """/signals says the newest in a few lines, and that they are opinions; without a store, that there is none."""
    questions = Questions(store, Settings(), "en")
    lines = questions.answer("signals", []).splitlines()
    assert lines[-1] == "opinions, no orders"
    assert "forecast FLAT ↑20% ↓25% · no-edge-shown" in lines[3]
    assert "near miss LONG · momentum" in lines[4]
    assert len(questions.answer("signals", ["ETH"]).splitlines()) == 4
    assert "no database" in Questions(tmp_path / "none.db", Settings(), "en").answer("signals", [])
    empty = tmp_path / "empty.db"
    SqliteStore.open(empty, kind=StoreKind.OBSERVED).close()
    assert "nothing was thought yet" in Questions(empty, Settings(), "en").answer("signals", [])


def test_a_file_of_before_is_brought_up_to_date(tmp_path: Path) -> None:
    """A store an older program wrote gets the table when it is next written; its rows stay."""
    old = tmp_path / "old.db"
    SqliteStore.open(old, kind=StoreKind.DEMO).close()
    connection = sqlite3.connect(old)
    connection.execute("DROP TABLE signals")
    connection.execute("PRAGMA user_version = 4")
    connection.commit()
    connection.close()
    SqliteStore.open(old, kind=StoreKind.DEMO).close()
    assert read_signals(old, SignalsWanted(), 5) == []


def test_old_signals_go_with_other_old_rows(store: Path) -> None:
    """Retention takes them out by their own time."""
    connection = sqlite3.connect(store, isolation_level=None)
    cutoff = NOON + 90 * SECOND
    for _ in sweep(connection, cutoff):
        pass
    connection.close()
    assert [row.signal.ts_event >= cutoff for row in read_signals(store, SignalsWanted(), 9)] == [True, True]
