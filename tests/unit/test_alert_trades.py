"""What becomes of trading, told to people: once, in order, taken back when it has passed, and in both languages."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.journal_made import NOON_MS, held_journal, order, run_named, status, trade

from perpscope.analytics.alerts.saying import Saying, Traded
from perpscope.app.alerts.trades import Trades, TradesTold, read
from perpscope.errors import StoreError
from perpscope.lab.telegram.markup import parse_html
from perpscope.model.market import Side
from perpscope.model.order import Role
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Contact
from perpscope.notify.messages import saying_text
from perpscope.notify.phrases import Language
from perpscope.stores.journal import Journal, place

NOW = NOON_MS + 60_000


class Desk:
    """A trader that writes, and somebody who watches it."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.journal = held_journal(database)
        self.now_ms = NOW
        self.trades = Trades()

    def page(self, **more: object) -> None:
        """Its page, as of now."""
        plain = status(at_ms=self.now_ms)
        self.journal.report(msgspec.structs.replace(plain, **more))

    def looks(self, seconds: float = 1.0) -> list[Saying]:
        """What is said a moment later."""
        self.now_ms += round(seconds * 1000)
        return self.trades.look(read(self.database, self.trades.told.fills, self.now_ms), self.now_ms)

    def restarts(self) -> None:
        """Whoever watches begins anew, with what was kept."""
        kept = msgspec.msgpack.decode(msgspec.msgpack.encode(self.trades.told), type=TradesTold)
        self.trades = Trades(kept)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """One that nobody has watched yet."""
    return Desk(tmp_path / "market.db")


def whats(said: list[Saying]) -> list[str]:
    """What was said, in one word each."""
    return [saying.told.what for saying in said if isinstance(saying.told, Traded)]


def shown(saying: Saying, language: Language = "en") -> list[str]:
    """As a chat shows it."""
    return parse_html(saying_text(saying, language)).text.replace("\u2009", " ").splitlines()


def test_fills_are_told_once_by_their_order(desk: Desk) -> None:
    """What was there before is not told; what comes is, parts of one order together; a restart repeats nothing."""
    desk.journal.intend("7f3a", order())
    desk.journal.filled("7f3a", "7f3a-burst-1", trade(1))
    desk.page()
    assert desk.looks() == []
    desk.journal.filled("7f3a", "7f3a-burst-1", trade(2, size="0.010", price="100000.0"))
    desk.journal.filled("7f3a", "7f3a-burst-1", trade(3, size="0.030", price="100004.0"))
    (said,) = desk.looks()
    assert (said.id, said.kind, said.is_silent, said.data) == ("fill:7f3a:3", "traded", True, "demo")
    assert shown(said) == [
        "DEMO DATA",
        "🔹 DEMO bought 0.04 at 100,003",
        "burst on BTC-USDT-PERP.BINANCE, run 7f3a",
        "fee 1.00",
    ]
    desk.restarts()
    assert desk.looks() == []
    desk.journal.filled("7f3a", "7f3a-burst-1", trade(4))
    assert whats(desk.looks()) == ["fill"]


def test_a_fill_says_what_its_order_was_for(desk: Desk) -> None:
    """Stop, take-profit, or the exchange's own doing; the loud ones are heard."""
    desk.looks()
    for number, role in enumerate((Role.PROTECT, Role.PROFIT, Role.LEAVE, Role.FLATTEN), start=1):
        desk.journal.intend("7f3a", order(f"7f3a-burst-{number}", role=role))
        desk.journal.filled("7f3a", f"7f3a-burst-{number}", trade(number, side=Side.SELL))
    desk.journal.filled("7f3a", "", msgspec.structs.replace(trade(9, side=Side.SELL), realised=trade().price))
    said = desk.looks()
    assert whats(said) == ["stop", "profit", "fill", "fill", "liquidated"]
    assert [saying.is_silent for saying in said] == [False, True, True, True, False]
    assert shown(said[0])[1] == "🛑 DEMO stop hit: closed 0.01 at 100,000"
    assert shown(said[1])[1] == "🎯 DEMO take-profit: closed 0.01 at 100,000"
    assert shown(said[2])[1] == "🔹 DEMO sold 0.01 at 100,000"
    assert "liquidated, deleveraged or settled" in shown(said[4])[1]
    assert shown(said[4])[3] == "fee 0.50 · realised +100,000.00 before fees"
    assert "강제청산" in shown(said[4], "ko")[1]


def test_whose_money_it_is_stands_first(tmp_path: Path) -> None:
    """PAPER, LIVE or DEMO; a fill of real money makes a sound."""
    database = tmp_path / "m.db"
    run = msgspec.structs.replace(run_named("8e2b"), data="observed")
    paper = msgspec.structs.replace(run, id="9d1c", kind=RunKind.PAPER)
    trades = Trades()
    trades.look(read(database, {}, NOW), NOW)
    for kind, made in ((RunKind.LIVE, run), (RunKind.PAPER, paper)):
        with Journal.open(place(database, kind), holder="x") as journal:
            journal.take("binance main", 1000.0, 10.0)
            journal.begin(made)
            journal.intend(made.id, order(f"{made.id}-burst-1"))
            journal.filled(made.id, f"{made.id}-burst-1", trade())
    live, played = trades.look(read(database, trades.told.fills, NOW), NOW)
    assert shown(live)[0] == "🔹 LIVE bought 0.01 at 100,000"
    assert shown(played)[0] == "🔹 PAPER bought 0.01 at 100,000"
    assert (live.is_silent, played.is_silent) == (False, True)


def test_a_naked_position_is_told_and_taken_back(desk: Desk) -> None:
    """After two seconds, not for the moment each entry takes; the message is edited when a stop stands. Keeps B15."""
    desk.page(naked_seconds_now=0.4)
    assert desk.looks() == []
    desk.page(naked_seconds_now=2.4)
    (said,) = desk.looks()
    assert "NAKED: for 2.4 s no stop has been confirmed" in shown(said)[1]
    assert not said.is_silent
    assert desk.looks() == []
    desk.restarts()
    desk.page(naked_seconds_now=0.0)
    (over,) = desk.looks()
    assert over.edits == said.id
    assert shown(over)[1].startswith("✅ DEMO protected again")
    assert desk.looks() == []


def test_a_mismatch_is_told_and_taken_back(desk: Desk) -> None:
    """With what does not agree."""
    contact = Contact(
        is_streaming=True, calls=1, errors=0, skew_ms=0.0, reconciled_ms=None, is_mismatched=True, why="0.01 & 0.02"
    )
    desk.page(contact=contact)
    (said,) = desk.looks()
    assert shown(said)[1] == "⚠️ DEMO MISMATCH: the exchange holds something else: 0.01 & 0.02; nothing is opened"
    desk.page(contact=msgspec.structs.replace(contact, is_mismatched=False))
    (over,) = desk.looks()
    assert (over.edits, whats([over])) == (said.id, ["agrees"])


def test_a_halt_is_told_with_its_reason(desk: Desk) -> None:
    """Once for each reason, and that it was lifted."""
    desk.page()
    desk.looks()
    desk.page(halted="daily loss")
    (said,) = desk.looks()
    assert shown(said)[1] == "⛔ DEMO HALTED: daily loss: nothing opens, all is closed"
    desk.page(halted="daily loss")
    assert desk.looks() == []
    desk.page()
    assert whats(desk.looks()) == ["lifted"]


def test_a_trader_that_is_gone_with_a_position_is_told(desk: Desk) -> None:
    """Its silence is told after a while, if it was seen to run and held something; that it is back, too."""
    desk.page()
    assert desk.looks() == []
    assert desk.looks(8.0) == []
    (said,) = desk.looks(8.0)
    assert shown(said)[1] == "⚠️ DEMO the trader has been silent for 17 s and holds a position"
    desk.page()
    (over,) = desk.looks()
    assert over.edits == said.id
    desk.page(held=status(side=None).held)
    assert desk.looks() == []
    assert desk.looks(600.0) == []


def test_a_trader_that_ended_before_anybody_watched_is_left_alone(desk: Desk) -> None:
    """A page of yesterday is no news; neither is one of a run that ended in order."""
    desk.page(at_ms=NOW - 86_400_000, naked_seconds_now=9.0)
    assert desk.looks() == []
    desk.page(is_over=True, halted="at the end")
    assert desk.looks() == []


def test_a_run_that_no_journal_has_is_forgotten(desk: Desk) -> None:
    """A journal that was moved aside leaves nothing behind, and its fills none to be told."""
    desk.page()
    desk.looks()
    assert list(desk.trades.told.runs) == ["7f3a"]
    desk.journal.close()
    for left in desk.database.parent.glob("*.live*"):
        left.unlink()
    assert desk.looks() == []
    assert desk.trades.told.runs == {}


def test_a_journal_that_cannot_be_read_is_an_error(desk: Desk) -> None:
    """For whoever looks, to be told once."""
    desk.journal.close()
    place(desk.database, RunKind.LIVE).write_bytes(b"no journal, but long enough to be read as a database" * 20)
    with pytest.raises(StoreError):
        desk.looks()


@pytest.mark.parametrize("what", ["naked", "covered", "mismatch", "agrees", "halted", "lifted", "gone", "back"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_everything_has_words(what: str, language: Language) -> None:
    """In both languages, with nothing of what is put in taken for markup."""
    told = msgspec.convert(
        {
            "what": what,
            "label": "LIVE",
            "run": "7f3a",
            "strategy": "<b>",
            "instrument": "x & y",
            "why": "<i>",
            "seconds": 3.0,
        },
        Traded,
    )
    saying = Saying(id="x", at_ms=NOW, told=told, data="observed", kind="traded")
    first, second = shown(saying, language)
    assert "LIVE" in first
    assert "trade " not in first.split("LIVE")[1].split(":")[0] or language == "en"
    assert "<b>" in second
    assert "x & y" in second
