"""The journal of a trader: what is written down before it is done, once, and is there when it is asked for."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.unit.journal_made import (
    ACCOUNT,
    BTC,
    NOON_MS,
    NOON_NS,
    funding,
    held_journal,
    order,
    run_named,
    status,
    trade,
)

from perpscope.errors import StoreError
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import LARGEST, Role, SmallerOrder
from perpscope.model.run import RunKind
from perpscope.stores.journal import Journal, JournalAct, JournalReader, place
from perpscope.stores.journal_file import MIGRATIONS


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The store the journal lies beside."""
    return tmp_path / "market.db"


def code(caught: "pytest.ExceptionInfo[StoreError]") -> str:
    """Of an error that says what to do."""
    assert caught.value.hint
    return caught.value.code


def test_paper_and_live_are_files_apart(database: Path) -> None:
    """What was played with money and without never stands in one file (RELIABILITY S38)."""
    assert place(database, RunKind.PAPER).name == "market.db.paper"
    assert place(database, RunKind.LIVE).name == "market.db.live"
    with pytest.raises(ValueError, match="no journal"):
        place(database, RunKind.BACKTEST)


def test_an_order_comes_back_with_what_became_of_it(database: Path) -> None:
    """As it was meant, with the last word about it and what was filled; another process reads the same. Keeps S4-54."""
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        (found,) = journal.orders("7f3a")
        assert (found.request, found.state, found.filled, found.ts) == (order(), "intended", Decimal(0), NOON_NS)
        journal.note("7f3a-burst-1", "sent", NOON_NS + 1)
        journal.note("7f3a-burst-1", "working", NOON_NS + 2, venue_id="900")
        journal.note("7f3a-burst-1", "filled", NOON_NS + 3, why="all of it")
        assert journal.filled("7f3a", "7f3a-burst-1", trade(1, size="0.004"))
        assert journal.filled("7f3a", "7f3a-burst-1", trade(2, size="0.006"))
        (found,) = journal.orders("7f3a")
        assert (found.state, found.venue_id, found.why, found.filled) == (
            "filled",
            "900",
            "all of it",
            Decimal("0.010"),
        )
        with JournalReader(journal.path) as reader:
            assert reader.orders("7f3a") == [found]
            assert [fill.trade.trade_id for fill in reader.fills("7f3a")] == [1, 2]
            assert reader.orders("another") == []


def test_an_order_that_is_sent_smaller_keeps_what_was_decided(database: Path) -> None:
    """With the bound that made it so, in the order's row and in the audit; one that is not has neither."""
    told = msgspec.structs.asdict(order(size="0.025")) | {"wished": Decimal("0.030"), "bound": LARGEST}
    with held_journal(database) as journal:
        journal.intend("7f3a", SmallerOrder(**told))
        journal.intend("7f3a", SmallerOrder(**told))
        journal.intend("7f3a", order("7f3a-burst-2"))
        smaller, whole = journal.orders("7f3a")
        assert (smaller.request, smaller.wished, smaller.bound) == (order(size="0.025"), Decimal("0.030"), "largest")
        assert (whole.wished, whole.bound) == (None, "")
        assert '"wished":"0.030"' in next(act.why for act in _acts(journal) if act.what == "order")
        assert journal.verify() is None


def test_an_order_is_written_down_once(database: Path) -> None:
    """The same again changes nothing; another one under its id is refused: an id is of one order for ever."""
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        journal.intend("7f3a", order())
        with pytest.raises(StoreError, match="another content") as caught:
            journal.intend("7f3a", order(size="0.020"))
        assert code(caught) == "intent-differs"
        assert [found.request.size for found in journal.orders("7f3a")] == [Decimal("0.010")]
        assert [act.what for act in _acts(journal)] == ["lease", "begin", "order"]


def test_what_was_noted_already_is_no_news(database: Path) -> None:
    """The same state told by stream and by REST takes one row; an order nobody meant to send has no state."""
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        for _ in range(3):
            journal.note("7f3a-burst-1", "working", NOON_NS, venue_id="900")
        journal.note("7f3a-burst-1", "working", NOON_NS + 5)
        with closing(sqlite3.connect(journal.path)) as other:
            assert other.execute("SELECT count(*) FROM notes").fetchone() == (1,)
        with pytest.raises(StoreError) as caught:
            journal.note("7f3a-burst-2", "working", NOON_NS)
        assert code(caught) == "intent-unknown"


def test_a_fill_is_booked_once(database: Path) -> None:
    """By symbol and trade id, whoever tells it and however often; so is a funding, by its id (RELIABILITY D8, D21)."""
    with held_journal(database) as journal:
        assert journal.last_trade_id("7f3a") is None
        assert journal.filled("7f3a", "7f3a-burst-1", trade(7))
        assert not journal.filled("7f3a", "", trade(7))
        assert journal.filled("7f3a", "7f3a-burst-1", msgspec.structs.replace(trade(7), symbol="ETHUSDT"))
        assert journal.filled("7f3a", "", trade(9))
        assert journal.last_trade_id("7f3a") == 9
        assert [fill.order for fill in journal.fills("7f3a")] == ["7f3a-burst-1", "7f3a-burst-1", ""]
        assert journal.funded("7f3a", funding())
        assert not journal.funded("7f3a", funding())
        assert journal.fundings("7f3a") == [funding()]


def test_numbers_go_on_where_they_were(database: Path) -> None:
    """A run that is taken up again uses no number twice; the gateway's own orders count apart. Keeps S4-54."""
    with held_journal(database) as journal:
        assert journal.last_number("7f3a") == 0
        for name in ("7f3a-burst-1", "7f3a-burst-12", "7f3a-burst-x3"):
            journal.intend("7f3a", order(name))
        assert journal.last_number("7f3a") == 12
        assert journal.last_number("7f3a", "x") == 3
        assert [found.is_own for found in journal.orders("7f3a")] == [True, True, False]


def test_a_run_that_broke_off_is_taken_up_again(database: Path) -> None:
    """Until it is ended, or a later one of its kind began; what risk remembered is there."""
    with held_journal(database) as journal:
        journal.remember("7f3a", {"losses": 2.0, "day": 20454.0})
    with Journal.open(place(database, RunKind.LIVE), holder="trader 2") as journal:
        journal.take(ACCOUNT, 1001.0, 10.0)
        assert journal.unfinished(ACCOUNT, BTC, "burst") == run_named()
        assert journal.unfinished("another", BTC, "burst") is None
        assert journal.unfinished(ACCOUNT, BTC, "reversal") is None
        journal.begin(msgspec.structs.replace(run_named(), parameters={"hold": 90.0}))
        assert journal.remembered("7f3a") == {"losses": 2.0, "day": 20454.0}
        journal.remember("7f3a", {"losses": 3.0})
        assert journal.remembered("7f3a") == {"losses": 3.0}
        assert journal.remembered("none") == {}
        journal.end("7f3a", NOON_NS)
        assert journal.unfinished(ACCOUNT, BTC, "burst") is None
        journal.begin(run_named("8e2b", begun_ms=NOON_MS + 1))
        found = journal.unfinished(ACCOUNT, BTC, "burst")
        assert found is not None
        assert found.id == "8e2b"
        assert [act.what for act in _acts(journal)][-3:] == ["resume", "end", "begin"]
        with JournalReader(journal.path) as reader:
            assert [(run.id, run.ended_ms) for run in reader.runs()] == [("8e2b", None), ("7f3a", NOON_MS)]


def test_a_run_id_is_of_one_run(database: Path) -> None:
    """A run of another instrument does not go on under its name."""
    with held_journal(database) as journal:
        other = msgspec.structs.replace(run_named(), instrument=InstrumentId("ETH-USDT-PERP.BINANCE"))
        with pytest.raises(StoreError) as caught:
            journal.begin(other)
        assert code(caught) == "run-differs"


def test_a_page_of_status_is_the_newest(database: Path) -> None:
    """Faces see the last page of each run, the newest run first; it is kept beside the facts, not among them."""
    with held_journal(database) as journal, JournalReader(journal.path) as reader:
        for second in range(130):
            journal.report(status(at_ms=NOON_MS + second))
        journal.begin(run_named("8e2b"))
        journal.report(status("8e2b", at_ms=NOON_MS + 500))
        assert [(page.run, page.at_ms) for page in reader.statuses()] == [
            ("8e2b", NOON_MS + 500),
            ("7f3a", NOON_MS + 129),
        ]
        assert reader.statuses()[1].held.stop == 99_000.0


def test_there_may_be_no_journal_yet(database: Path) -> None:
    """A face that asks before anybody traded finds nothing, and finds what comes later."""
    path = place(database, RunKind.LIVE)
    with JournalReader(path) as reader:
        assert reader.statuses() == []
        assert reader.runs() == []
        assert reader.orders("7f3a") == []
        assert reader.fills("7f3a") == []
        assert reader.fundings("7f3a") == []
        assert reader.acts() == []
        assert reader.fault() is None
        path.touch()
        assert reader.runs() == []
        path.unlink()
        with held_journal(database) as journal:
            journal.funded("7f3a", funding())
            assert [run.id for run in reader.runs()] == ["7f3a"]
            assert reader.fundings("7f3a") == [funding()]
        assert [act.what for act in reader.acts(1)] == ["begin"]


def test_the_audit_is_a_chain(database: Path) -> None:
    """Orders, runs, leases and acts of people stand in it, each with the hash of the one before (RELIABILITY S33)."""
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        journal.act("ann by command", "arm", "BTCUSDT typed", NOON_MS)
        assert journal.verify() is None
        assert [act.what for act in _acts(journal)] == ["lease", "begin", "order", "arm"]
        assert '"id":"7f3a-burst-1"' in _acts(journal)[2].why


@pytest.mark.parametrize("table", ["orders", "notes", "fills", "fundings", "acts"])
def test_a_journal_only_grows(database: Path, table: str) -> None:
    """Whoever holds the file in hand changes no line of it by SQL."""
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        journal.note("7f3a-burst-1", "sent", NOON_NS)
        journal.filled("7f3a", "7f3a-burst-1", trade())
        journal.funded("7f3a", funding())
    with closing(sqlite3.connect(place(database, RunKind.LIVE))) as other:
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            other.execute(f"DELETE FROM {table}")
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            other.execute(f"UPDATE {table} SET rowid = rowid + 7")


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["DROP TRIGGER acts_never_changed", "UPDATE acts SET why = 'x' WHERE seq = 2"], "act 2 is not what"),
        (["DROP TRIGGER acts_never_removed", "DELETE FROM acts WHERE seq = 2"], "act 2 is missing"),
        (
            ["DROP TRIGGER orders_never_changed", "UPDATE orders SET body = replace(body, '0.010', '0.910')"],
            "OrderRequest of the journal is not what was written",
        ),
        (
            ["DROP TRIGGER fills_never_changed", "UPDATE fills SET crc = crc + 1"],
            "TradeReport of the journal is not what was written",
        ),
        (
            ["DROP TRIGGER fundings_never_changed", "UPDATE fundings SET body = X'78', crc = 2363233923"],
            "FundingReport of the journal cannot be read",
        ),
        (["UPDATE runs SET kind = 'game'"], "a row cannot be read: 'game' is not a valid RunKind"),
        (["UPDATE runs SET kind = CAST(X'ff' AS TEXT)"], "Could not decode to UTF-8"),
        (
            [
                "PRAGMA writable_schema = ON",
                "UPDATE sqlite_schema SET sql = replace(sql, 'strategy', 'strategx') WHERE name = 'runs'",
            ],
            "no such column: strategy",
        ),
    ],
    ids=[
        "act changed",
        "act removed",
        "order changed",
        "fill changed",
        "funding unreadable",
        "no kind",
        "no text",
        "no column",
    ],
)
def test_what_was_changed_is_seen_at_opening(database: Path, statements: list[str], words: str) -> None:
    """A line that is not as it was written is found, and nothing is traded on that journal."""
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        journal.filled("7f3a", "7f3a-burst-1", trade())
        journal.funded("7f3a", funding())
    path = place(database, RunKind.LIVE)
    with closing(sqlite3.connect(path)) as other, other:
        for statement in statements:
            other.execute(statement)
    with pytest.raises(StoreError, match=words) as caught:
        Journal.open(path, holder="trader 2")
    assert code(caught) == "journal-damaged"
    with JournalReader(path) as reader:
        try:
            found = reader.fault()
        except StoreError as error:
            found = error.message
        assert words in str(found)


def test_a_newer_or_foreign_journal_is_refused(database: Path) -> None:
    """One of a later perpscope, with the advice to keep a copy, and a file that is no journal; neither is changed."""
    path = place(database, RunKind.LIVE)
    held_journal(database).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    for act in (lambda: Journal.open(path, holder="x"), lambda: JournalReader(path).runs()):
        with pytest.raises(StoreError, match="schema 2") as caught:
            act()
        assert code(caught) == "journal-newer"
        assert "backup" in str(caught.value.hint)
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos (name TEXT)")
    with pytest.raises(StoreError) as caught:
        Journal.open(path, holder="x")
    assert code(caught) == "journal-foreign"
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(StoreError) as caught:
        Journal.open(path, holder="x")
    assert code(caught) == "journal-damaged"
    with pytest.raises(StoreError) as caught:
        Journal.open(database.parent / "nowhere" / "m.db.live", holder="x")
    assert code(caught) == "store-folder"


def test_a_foreign_lock_is_told(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who holds the file open for writing is named as that, and the order is not said to be written."""
    monkeypatch.setattr("perpscope.stores.journal_file.BUSY_MS", 20)
    with held_journal(database) as journal, closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            journal.intend("7f3a", order())
        assert code(caught) == "journal-busy"
        other.execute("ROLLBACK")
        journal.intend("7f3a", order(role=Role.PROTECT))
        assert len(journal.orders("7f3a")) == 1


def _acts(journal: Journal) -> list[JournalAct]:
    with JournalReader(journal.path) as reader:
        return reader.acts()[::-1]
