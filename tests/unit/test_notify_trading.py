"""Trading from a chat: what is held is told, and it can be stopped, asked twice; it can never be let go further."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.unit.journal_made import held_journal, status, trade
from tests.unit.runs_made import walked
from tests.unit.test_notify_telegram import PATIENT, Hasty

from perpscope.app import trading_mode
from perpscope.app.trading_mode import Mode
from perpscope.feeds.clock import wall_ns
from perpscope.lab.telegram.methods import TOKEN, Methods
from perpscope.lab.telegram.server import BotServer
from perpscope.model.run import RunKind
from perpscope.notify.bot_api import BotApi
from perpscope.notify.commands import Commands
from perpscope.notify.credentials import Credential
from perpscope.notify.phrases import Language
from perpscope.notify.questions import Questions
from perpscope.notify.switch import Switch
from perpscope.notify.telegram import Telegram
from perpscope.settings import Settings, Trade
from perpscope.stores.journal import JournalReader, place
from perpscope.stores.runs import Runs
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
CHAT = 42
TREE = Settings(trade=Trade(live_enabled=True))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An empty store."""
    path = tmp_path / "market.db"
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)):
        return path


class Stage:
    """A bot of a store, the server it speaks to, and the person who reads it."""

    def __init__(self, server: BotServer, database: Path) -> None:
        self.server, self.person, self.database = server, server.person(CHAT), database
        questions = Questions(database, TREE, "en")
        wall_s = server.bot.chats.wall_s
        switch = Switch(database, TREE.trade, "en", lambda: float(server.bot.chats.wall_s()))
        commands = Commands([CHAT], questions, None, "en", lambda: float(wall_s()), switch)
        bot = BotApi(Credential(TOKEN), server.url, timeout_s=5.0)
        self.bot = Telegram(bot, [CHAT], "en", commands=commands, pace=Hasty())
        self._running = asyncio.create_task(self.bot.run())

    async def aclose(self) -> None:
        """End it."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.bot.aclose()

    @property
    def state(self) -> trading_mode.State:
        """How far trading may go."""
        return trading_mode.read(self.database, TREE.trade)

    async def says(self, words: str, eventually: Eventually) -> str:
        """What is answered."""
        before = len(self.person.inbox)
        self.person.says(words)
        await eventually(lambda: len(self.person.inbox) > before)
        return self.person.inbox[-1].text


@pytest.fixture
async def stage(database: Path) -> AsyncIterator[Stage]:
    """One person, one bot."""
    async with BotServer(Methods(rules=PATIENT)) as server:
        made = Stage(server, database)
        yield made
        await made.aclose()


async def test_pause_lets_the_mode_fall_when_the_button_is_pressed(stage: Stage, eventually: Eventually) -> None:
    """Asked first; pressed, nothing new is opened, the buttons go, and whoever it was is on record. Keeps S2-62."""
    with held_journal(stage.database) as journal:
        said = await stage.says("/pause", eventually)
        assert "Pause?" in said
        assert stage.state.mode.word == "paper"
        question = stage.person.inbox[-1]
        stage.person.presses(question, "Pause")
        await eventually(lambda: len(stage.person.inbox) == 2)
        assert stage.person.inbox[-1].text == "Paused: mode observe. /positions shows what is held."
        await eventually(lambda: not question.buttons)
        assert stage.state.mode.word == "observe"
        assert stage.state.since is not None
        assert stage.state.since.who.startswith("telegram user ")
        with JournalReader(journal.path) as reader:
            (act,) = reader.acts(1)
        assert (act.what, act.who) == ("pause", stage.state.since.who)
        assert f"in chat {CHAT}" in act.who


async def test_halt_closes_everything_when_the_button_is_pressed(stage: Stage, eventually: Eventually) -> None:
    """The kill switch is pulled, and the bot says what lifts it."""
    assert "lifted on the host alone" in await stage.says("/halt", eventually)
    stage.person.presses(stage.person.inbox[-1], "HALT: close everything")
    await eventually(lambda: len(stage.person.inbox) == 2)
    assert stage.person.inbox[-1].text.startswith("HALTED: by telegram user ")
    assert stage.state.halted.startswith("by telegram user ")


async def test_a_typed_yes_does_it_too(stage: Stage, eventually: Eventually) -> None:
    """With a reason after it, which is kept; a second halt keeps the first one's."""
    assert (await stage.says("/halt yes the news", eventually)).startswith("HALTED: the news.")
    assert (await stage.says("/halt YES again", eventually)).startswith("HALTED: the news.")
    assert [act.why for act in stage.state.acts] == ["the news", "again"]


async def test_no_means_no(stage: Stage, eventually: Eventually) -> None:
    """The other button changes nothing."""
    await stage.says("/halt", eventually)
    stage.person.presses(stage.person.inbox[-1], "No")
    await eventually(lambda: len(stage.person.inbox) == 2)
    assert stage.person.inbox[-1].text == "Nothing was changed."
    assert stage.state.halted == ""
    assert stage.state.acts == []


async def test_only_the_last_question_may_be_answered_and_once(stage: Stage, eventually: Eventually) -> None:
    """An old button, and one of a minute ago, do nothing and say so."""
    await stage.says("/halt", eventually)
    first = stage.person.inbox[-1]
    await stage.says("/pause", eventually)
    stage.person.presses(first, "HALT: close everything")
    await eventually(lambda: stage.person.inbox[-1].text == "Too late: ask again.")
    await stage.says("/halt", eventually)
    question, wall_s = stage.person.inbox[-1], stage.server.bot.chats.wall_s
    stage.server.bot.chats.wall_s = lambda: wall_s() + 61
    count = len(stage.person.inbox)
    stage.person.presses(question, "HALT: close everything")
    await eventually(lambda: len(stage.person.inbox) > count)
    assert stage.person.inbox[-1].text == "Too late: ask again."
    assert stage.state.halted == ""


async def test_a_stranger_stops_nothing(stage: Stage, eventually: Eventually) -> None:
    """Neither by a word nor by a button of somebody else's chat."""
    stranger = stage.server.person(666, name="Eve")
    stranger.says("/halt yes")
    await stage.says("/help", eventually)
    assert stranger.inbox == []
    assert stage.state.halted == ""


@pytest.mark.parametrize(
    "words", ["/resume", "/reset", "/arm BTCUSDT", "/paper burst", "/trade burst", "/live", "/unhalt"]
)
async def test_nothing_lets_trading_go_further(stage: Stage, eventually: Eventually, words: str) -> None:
    """What raises the mode, arms, or lifts a halt is done on the host: no command does it. Keeps S2-62."""
    trading_mode.halted(stage.database, who="kim", why="storm", now_ms=1, trade=TREE.trade)
    trading_mode.lowered(stage.database, Mode.OBSERVE, who="kim", now_ms=2, trade=TREE.trade)
    before = trading_mode.place(stage.database).read_bytes()
    said = await stage.says(words, eventually)
    assert "on the host alone" in said or "I do not know" in said
    assert trading_mode.place(stage.database).read_bytes() == before


async def test_a_mode_that_is_lower_already_is_told(stage: Stage, eventually: Eventually) -> None:
    """Pausing twice is no trouble; a mode file that cannot be written is, and is told."""
    assert "Paused" in await stage.says("/pause yes", eventually)
    assert "Paused" in await stage.says("/pause 네", eventually)
    lock = trading_mode.place(stage.database).with_name(f"{stage.database.name}.mode.lock")
    lock.unlink()
    lock.mkdir()
    assert (await stage.says("/halt yes", eventually)).startswith("error mode-file")


async def test_a_journal_that_takes_no_line_keeps_nobody_from_halting(stage: Stage, eventually: Eventually) -> None:
    """It is halted, and told that it is not on record there."""
    place(stage.database, RunKind.LIVE).write_bytes(b"no journal, but long enough to be read as a database" * 20)
    said = await stage.says("/halt yes", eventually)
    assert said.startswith("HALTED")
    assert "error journal-damaged" in said
    assert stage.state.halted


@pytest.mark.parametrize("language", ["en", "ko"])
def test_positions_are_told_in_a_few_lines(database: Path, language: Language) -> None:
    """What is held and what protects it, with whose money it is; and that nobody trades."""
    questions = Questions(database, TREE, language)
    nobody = {"en": "Nobody trades, and nothing is held.", "ko": "실행 중인 매매와 보유 포지션이 없습니다."}
    assert nobody[language] in questions.answer("positions", [])
    now_ms = wall_ns() // 1_000_000
    with held_journal(database) as journal:
        journal.filled("7f3a", "", trade())
        journal.report(status(at_ms=now_ms))
        said = questions.answer("positions", [])
        assert said.splitlines()[1].startswith("<b>DEMO</b> ")
        assert "LONG 0.01" in said
        assert "99,000" in said
        assert nobody[language] not in said
        money = questions.answer("pnl", [])
        assert "1,005.00" in money
        held = msgspec.structs.replace(status().held, stop=None)
        journal.report(status(at_ms=now_ms - 60_000, held=held, halted="storm <b>"))
    trading_mode.halted(database, who="kim", why="storm <b>", now_ms=1, trade=TREE.trade)
    said = questions.answer("positions", [])
    assert "⚠️" in said
    assert "storm &lt;b&gt;" in said


def test_runs_are_told(database: Path) -> None:
    """The newest that were kept, and that there are none."""
    questions = Questions(database, TREE, "en")
    assert questions.answer("runs", []) == "No run is kept here."
    with Runs(database) as runs:
        runs.add(walked(minutes=1440, trades=12))
    said = questions.answer("runs", [])
    assert "burst BTC-USDT-PERP.BINANCE · 12 trades, net " in said


def test_a_flat_run_says_so(database: Path) -> None:
    """A run that runs and holds nothing."""
    with held_journal(database) as journal:
        journal.report(status(side=None, at_ms=wall_ns() // 1_000_000))
        said = Questions(database, TREE, "en").answer("positions", [])
    assert said.splitlines()[-1] == "flat"
