"""Heart, face and Telegram together: an alert arrives once, a stopped heart is told and edited when it is back.

The heart is a demo, the faces are `perpscope serve`, Telegram is the lab's Bot API in this process.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.app import trading_mode
from perpscope.lab.allowance import Rate
from perpscope.lab.telegram.chats import Person
from perpscope.lab.telegram.flood import FloodRules
from perpscope.lab.telegram.methods import Methods
from perpscope.lab.telegram.server import BotServer, Fault
from perpscope.settings import Trade
from tests.acceptance import facing
from tests.acceptance.facing import inherited
from tests.unit.journal_made import held_journal, order, trade

Eventually = Callable[..., Awaitable[None]]
pytestmark = pytest.mark.timeout(180)
CHAT = 42
#: A rule that any liquidation raises, and that never ends.
RULES = """
[alerts]
defaults = false
digest_at = ""
[alert.any-liq]
when = "liq_usd_5m >= 0 or price > 0"
severity = "critical"
cool_down_s = 600
"""
SLOW = ("--days", "0", "--speed", "5x", "--symbols", "BTC")


@pytest.fixture
async def telegram() -> AsyncIterator[BotServer]:
    """A Bot API without limits."""
    rate = Rate(10_000, 1.0)
    async with BotServer(Methods(rules=FloodRules(rate, rate, rate))) as server:
        yield server


def settings(folder: Path, server: BotServer, name: str) -> dict[str, str]:
    """A face's environment."""
    return {
        "PERPSCOPE_TELEGRAM__TOKEN": server.bot.token,
        "PERPSCOPE_TELEGRAM__API": server.url,
        "PERPSCOPE_TELEGRAM__CHATS": str(CHAT),
        "PERPSCOPE_ALERTS__DEAD_AFTER_S": "5",
        "PERPSCOPE_LOG__LEVEL": "debug",
        "PERPSCOPE_LOG__FILE": str(folder / f"{name}.log"),
    }


def silences(person: Person) -> list[str]:
    """Messages about the heart or a feed, as they stand."""
    return [m.text for m in person.inbox if "no data for" in m.text or "back after" in m.text]


async def test_alerts_arrive_once_and_a_stopped_heart_is_told_and_edited(
    tmp_path: Path, telegram: BotServer, eventually: Eventually
) -> None:
    """Two faces send one message, of alerts and of trading; a heart that stops is told, and edited when it is back.

    Keeps S4-56.
    """
    person, database = telegram.person(CHAT), tmp_path / "m.db"
    config = tmp_path / "alerts.toml"
    config.write_text(RULES)
    with facing.heart(database, *SLOW) as heart:
        await eventually(database.is_file, 60.0)
        words = ("--config", str(config))
        async with Faces(
            (database, words, settings(tmp_path, telegram, "one")),
            (database, words, settings(tmp_path, telegram, "two")),
        ):
            await eventually(lambda: any("any-liq" in m.text for m in person.inbox), 90.0)
            person.says("/status")
            await eventually(lambda: any("collector running" in m.text for m in person.inbox), 30.0)
            alerts = [m for m in person.inbox if "rule any-liq" in m.text]
            assert len(alerts) == 1, "one of two faces alone sends"
            assert alerts[0].text.startswith("DEMO DATA\n🚨")
            await _trading_is_told_and_stopped(database, person, eventually)
            os.kill(heart.process.pid, signal.SIGSTOP)
            try:
                await eventually(lambda: any("all feeds: no data for" in text for text in silences(person)), 60.0)
                first = [m for m in person.inbox if "all feeds: no data for" in m.text]
            finally:
                os.kill(heart.process.pid, signal.SIGCONT)
            await eventually(lambda: "back after" in first[0].text, 60.0)
            assert "no data for" in first[0].versions[0]
    logs = "".join((tmp_path / f"{name}.log").read_text("utf-8") for name in ("one", "two"))
    assert "no data for" in logs
    assert telegram.bot.token.partition(":")[2] not in logs


async def _trading_is_told_and_stopped(database: Path, person: Person, eventually: Eventually) -> None:
    """A fill in a journal beside the store arrives once, by one of the two faces; a press pulls the kill switch."""
    with held_journal(database) as journal:
        journal.intend("7f3a", order())
        journal.filled("7f3a", "7f3a-burst-1", trade())
        await eventually(lambda: any("bought 0.01 at 100,000" in m.text for m in person.inbox), 30.0)
        person.says("/halt")
        await eventually(lambda: any(m.text.startswith("HALT?") for m in person.inbox), 30.0)
        assert trading_mode.read(database, Trade()).halted == ""
        (question,) = [m for m in person.inbox if m.text.startswith("HALT?")]
        person.presses(question, "HALT: close everything")
        await eventually(lambda: any(m.text.startswith("HALTED: by telegram user") for m in person.inbox), 30.0)
    assert trading_mode.read(database, Trade()).halted.startswith("by telegram user")
    assert len([m for m in person.inbox if "bought 0.01" in m.text]) == 1


class Faces:
    """Some faces at once, started beside this process's event loop, which answers their bots."""

    def __init__(self, *asked: tuple[Path, tuple[str, ...], dict[str, str]]) -> None:
        self._managers = [facing.face(path, *words, **more) for path, words, more in asked]

    async def __aenter__(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(manager.__enter__) for manager in self._managers))

    async def __aexit__(self, *why: object) -> None:
        await asyncio.gather(*(asyncio.to_thread(manager.__exit__, None, None, None) for manager in self._managers))


@pytest.mark.soak
async def test_a_wrong_token_costs_the_face_nothing(
    tmp_path: Path, telegram: BotServer, eventually: Eventually
) -> None:
    """It serves, says once what is wrong, and never shows the token."""
    person = telegram.person(CHAT)
    wrong = "4839574812:" + "Q" * 35
    more = settings(tmp_path, telegram, "face") | {"PERPSCOPE_TELEGRAM__TOKEN": wrong}
    log = tmp_path / "face.log"
    with facing.heart(tmp_path / "m.db", *SLOW):
        await eventually((tmp_path / "m.db").is_file, 60.0)
        async with Faces((tmp_path / "m.db", (), more)):
            await eventually(lambda: log.is_file() and "telegram-unauthorized" in log.read_text("utf-8"), 90.0)
    assert log.read_text("utf-8").count("telegram-unauthorized") == 1
    assert "Q" * 35 not in log.read_text("utf-8")
    assert person.inbox == []


@pytest.mark.soak
async def test_a_critical_alert_is_kept_for_the_next_face(
    tmp_path: Path, telegram: BotServer, eventually: Eventually
) -> None:
    """A face that is killed while Telegram is down loses nothing critical: the next one sends it, once."""
    person, database, config = telegram.person(CHAT), tmp_path / "m.db", tmp_path / "alerts.toml"
    config.write_text(RULES)
    telegram.suffer(*[Fault("status", 502, "sendMessage")] * 100)
    more = inherited(tmp_path) | settings(tmp_path, telegram, "first")
    words = [sys.executable, "-m", "perpscope", "serve", "--port", "0", "--no-open", "--db", str(database)]
    with facing.heart(database, *SLOW):
        await eventually(database.is_file, 60.0)
        first = await asyncio.create_subprocess_exec(*words, "--config", str(config), env=more, stdout=DEVNULL)
        await eventually(lambda: telegram.requests["sendmessage"] > 0, 90.0)
        first.kill()
        await first.wait()
        assert person.inbox == []
        telegram.recover()
        async with Faces((database, ("--config", str(config)), settings(tmp_path, telegram, "second"))):
            await eventually(lambda: any("any-liq" in m.text for m in person.inbox), 90.0)
            person.says("/help")
            await eventually(lambda: any("never trade" in m.text for m in person.inbox), 30.0)
    assert len([m for m in person.inbox if "rule any-liq" in m.text]) == 1
