"""`positions` and `halt`: what is held as the journals tell it, and the switch that closes it."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.unit.journal_made import NOON_MS, NOON_NS, held_journal, status, trade

from perpscope.app import trading_mode
from perpscope.app.trade.halting import Halt, halt
from perpscope.cli.main import run
from perpscope.feeds.clock import wall_ns
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Contact, WorkingNow
from perpscope.settings import Trade
from perpscope.stores.journal import Journal, JournalReader, place
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

STOP = WorkingNow(
    id="7f3a-burst-2",
    role="stop",
    kind="stop",
    side="sell",
    size=None,
    filled="0",
    price="99000.0",
    state="working",
    since_ms=NOON_MS,
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An empty store."""
    path = tmp_path / "market.db"
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)):
        return path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and all that was printed."""
    code = run(list(words))
    told = capsys.readouterr()
    return code, told.out + told.err


def now_ms() -> int:
    """Real time."""
    return wall_ns() // 1_000_000


def test_nothing_is_held_where_nobody_trades(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a journal it says so, and how to begin."""
    code, told = shown(capsys, "positions", "--db", str(database))
    assert code == 0
    assert "nothing is held and nobody trades" in told
    code, told = shown(capsys, "positions", "--db", str(database), "--json")
    assert json.loads(told.splitlines()[0])["runs"] == []


def test_a_position_is_told_with_what_protects_it(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Side, size, entry, stop, orders, fills of today, and in red what is wrong. Keeps S4-54."""
    contact = Contact(
        is_streaming=True,
        calls=3,
        errors=0,
        skew_ms=1.0,
        reconciled_ms=None,
        is_mismatched=True,
        why="0.01 against 0.02",
    )
    with held_journal(database) as journal:
        entry = msgspec.structs.replace(STOP, id="7f3a-burst-3", role="entry", kind="limit", side="buy")
        entry = msgspec.structs.replace(entry, price="99500.0", size="0.025", wished="0.030", bound="largest")
        for number in range(1, 13):
            journal.filled("7f3a", "7f3a-burst-1", trade(number, size="0.001"))
        journal.filled("7f3a", "", trade(99, ts=NOON_NS - 86_400_000_000_000))
        journal.report(
            status(at_ms=now_ms(), working=[STOP, entry], halted="storm", contact=contact, warnings=["unbound key"])
        )
    _, told = shown(capsys, "positions", "--db", str(database))
    for words in (
        "mode paper: no order goes to a real exchange",
        "DEMO 7f3a burst on BTC-USDT-PERP.BINANCE, running: orders to a made-up exchange, no money moves",
        "LONG 0.01 from 100000, mark 100500, +5.00; stop 99000, liquidated at 90500",
        "HALTED: storm",
        "MISMATCH: 0.01 against 0.02",
        "equity 1,005.00 of 1,000.00: realised +0.00, fees 0.50, funding +0.00",
        "order 7f3a-burst-2 stop stop sell all at 99000.0: working",
        "order 7f3a-burst-3 entry limit buy 0.025 of 0.030 (largest) at 99500.0: working",
        "fill  12:00:00 buy 0.001 at 100000.0, fee 0.5",
        "and 2 fills more today",
        "! unbound key",
    ):
        assert words in told
    assert "NAKED" not in told


def test_what_is_naked_stands_out(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A position without a confirmed stop says so twice, and a trader that fell silent is told by its silence."""
    plain = status()
    with held_journal(database) as journal:
        held = msgspec.structs.replace(plain.held, stop=None, entry_price=None, mark=None, liquidation_price=None)
        journal.report(status(at_ms=now_ms() - 60_000, held=held, naked_seconds_now=3.25))
    _, told = shown(capsys, "positions", "--db", str(database))
    assert "silent for 60 s" in told or "silent for 61 s" in told
    assert "LONG 0.01, +5.00; NO STOP confirmed" in told
    assert "NAKED for 3.2 s" in told


def test_runs_that_are_over_are_told_when_asked(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Flat and ended they are left out, unless all are asked for."""
    with held_journal(database) as journal:
        journal.report(status(side=None, is_over=True))
    assert "nothing is held" in shown(capsys, "positions", "--db", str(database))[1]
    _, told = shown(capsys, "positions", "--db", str(database), "--all")
    assert "7f3a burst on BTC-USDT-PERP.BINANCE, over" in told
    assert "  flat\n" in told


def test_a_journal_that_cannot_be_read_is_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what can be read of the others."""
    place(database, RunKind.LIVE).write_bytes(b"no journal, but long enough to be read as a database" * 20)
    code, told = shown(capsys, "positions", "--db", str(database))
    assert code == 0
    assert "! market.db.live: the journal" in told
    assert "what is held is not known" in told
    assert "nothing is held" not in told


def test_halting_works_without_a_trader(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The switch is pulled, the first why stays, and it is written into the journals there are."""
    code, told = shown(capsys, "halt", "--db", str(database), "--why", "storm")
    assert code == 0
    assert "HALTED: storm" in told
    assert "no trader runs" in told
    with held_journal(database) as journal:
        journal.report(status(side=None, is_over=True))
        code, told = shown(capsys, "halt", "--db", str(database), "--why", "again", "--json")
        assert code == 0
        assert json.loads(told.splitlines()[0]) | {"seconds": 0.0} == {
            "why": "storm",
            "is_flat": True,
            "told": [],
            "still_open": [],
            "seconds": 0.0,
            "warnings": [],
        }
        with JournalReader(journal.path) as reader:
            (act,) = reader.acts(1)
        assert (act.what, act.why) == ("halt", "again")
        assert act.who.endswith(" by command")
    assert trading_mode.read(database, Trade()).halted == "storm"


def test_what_nobody_closes_is_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A position left by a trader that is gone: not flat, exit code 1, and what to do. No money was left on a lab."""
    for kind in (RunKind.LIVE, RunKind.PAPER):
        with held_journal(database, kind=kind) as journal:
            journal.report(status(kind=kind, at_ms=now_ms() - 60_000))
    assert shown(capsys, "halt", "--db", str(database))[0] == 0
    with held_journal(database) as journal:
        journal.report(status(at_ms=now_ms() - 60_000, data="observed"))
    code, told = shown(capsys, "halt", "--db", str(database))
    assert code == 1
    assert "NOT FLAT" in told
    assert "LIVE 7f3a BTC-USDT-PERP.BINANCE: LONG 0.01, stop at 99000" in told
    assert "perpscope trade burst takes it up and closes it" in told
    assert "PAPER run 7f3a was left holding LONG 0.01: no money" in told


class Trader:
    """A trader that is told to halt, and closes after so many looks."""

    def __init__(self, journal: Journal, database: Path, looks: int) -> None:
        self.journal, self.database, self.looks = journal, database, looks
        self.now_s = 1_000_000.0
        self.tell()

    def tell(self, side: str | None = "LONG", **more: object) -> None:
        """Its page, as of now."""
        self.journal.report(status("7f3a", side=side, at_ms=round(self.now_s * 1000), **more))

    def sleep(self, seconds: float) -> None:
        """Its life between two looks."""
        self.now_s += seconds
        self.looks -= 1
        halted = trading_mode.read(self.database, Trade()).halted
        if self.looks > 0:
            self.tell(halted=halted, working=[STOP] if self.looks % 2 else [])
        else:
            self.tell(side=None, halted=halted)

    def halted(self, wait_s: float) -> Halt:
        """What the switch comes to."""
        now: Callable[[], float] = lambda: self.now_s  # noqa: E731 -- a clock
        return halt(
            self.database,
            Trade(),
            who="kim",
            why="storm",
            wait_s=wait_s,
            wall_ms=lambda: round(self.now_s * 1000),
            monotonic=now,
            sleep=self.sleep,
        )


def test_halting_waits_until_the_trader_is_flat(database: Path) -> None:
    """It looks until the trader says so itself, after the switch was pulled."""
    with held_journal(database) as journal:
        found = Trader(journal, database, looks=4).halted(15.0)
    assert (found.is_flat, found.told, found.still_open) == (True, ["7f3a"], [])
    assert found.seconds == pytest.approx(0.8)


def test_halting_ends_when_the_trader_does_not_close(database: Path) -> None:
    """In time, with what is still open and what to do."""
    with held_journal(database) as journal:
        found = Trader(journal, database, looks=10_000).halted(2.0)
    assert not found.is_flat
    (run_,) = found.still_open
    assert (run_.side, run_.stop, run_.is_running) == ("LONG", 99_000.0, True)
    assert "by hand" in run_.what
    assert found.seconds == pytest.approx(2.0, abs=0.21)


def test_a_journal_that_cannot_be_written_does_not_keep_from_halting(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The switch is pulled first; that it is not on record, and that nobody knows what is held, is told."""
    place(database, RunKind.LIVE).write_bytes(b"no journal, but long enough to be read as a database" * 20)
    code, told = shown(capsys, "halt", "--db", str(database))
    assert code == 1
    assert "it was not written into the journal" in told
    assert trading_mode.read(database, Trade()).halted == "by hand"
