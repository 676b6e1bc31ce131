"""Other projects' Telegram clients against the lab's Bot API: what they understand is what was meant.

python-telegram-bot and aiogram know Telegram's wire from Telegram; the lab passes for it with both, so that what our
own bot is tested against is no invention of ours.
"""

import asyncio
from typing import Any

import pytest

from perpscope.lab.telegram.server import BotServer
from tests.peers.meeting import environment, interpreter, told

pytestmark = pytest.mark.timeout(90)

_PNG = "89504e470d0a1a0a0000000d4948445200000003000000020802000000"
_CHAT, _BLOCKER, _FLOODED, _GROUP, _MOVED = 42, 43, 44, -10, -1001


async def _met(peer: str, program: str) -> tuple[dict[str, Any], BotServer]:
    """What a client's program saw, after a person has said something and pressed what it sent."""
    python = interpreter(peer)
    async with BotServer() as server:
        person = server.person(_CHAT)
        server.person(_BLOCKER).blocks()
        server.person(_FLOODED)
        server.bot.chats.migrate(server.person(_GROUP, kind="group", name="desk").chat, _MOVED)
        person.says("/status now")
        ask = {
            "api": server.url,
            "token": server.bot.token,
            "chat": _CHAT,
            "blocker": _BLOCKER,
            "flooded": _FLOODED,
            "old_group": _GROUP,
            "png": _PNG,
        }
        running = asyncio.create_task(told(python, program, ask, environment()))
        while not running.done() and not any(message.buttons for message in person.inbox):
            await asyncio.wait([running], timeout=0.02)
        if not running.done():
            person.presses(next(message for message in person.inbox if message.buttons), "Mute 1h")
        return await running, server


async def test_python_telegram_bot_takes_the_lab_for_telegram() -> None:
    """Messages, edits, pictures, commands, updates, and every refusal, as python-telegram-bot's own types."""
    seen, server = await _met("python-telegram-bot", "telegram_ptb")
    print(f"python-telegram-bot {seen['version']}: {dict(server.requests)}")
    assert seen["me"] == ["perpscope_lab_bot", 4839574812]
    assert seen["sent"] == ["🔻 BTC < 64,120", [["bold", 3, 3]], _CHAT]
    assert seen["buttons"] == [["Chart", "http://127.0.0.1:8000/map", None], ["Mute 1h", None, "mute"]]
    assert seen["edited"] == ["twice", True, True]
    assert seen["photo"] == ["map", 3, 2]
    assert seen["deleted"] is True
    assert seen["commands"] == ["status"]
    assert seen["chat"] == ["private", "Ada"]
    assert ["message", "/status now", ["bot_command"]] in seen["updates"]
    assert ["press", "mute"] in seen["updates"]
    assert seen["not_modified"].startswith("BadRequest Message is not modified")
    assert seen["bad_html"] == 'BadRequest Can\'t parse entities: unsupported start tag "" at byte offset 2'
    assert seen["unclosed"].startswith("BadRequest Can't parse entities: can't find end tag")
    assert seen["too_long"] == "BadRequest Message is too long"
    assert seen["gone"] == "BadRequest Message to edit not found"
    assert seen["no_chat"] == "BadRequest Chat not found"
    assert seen["blocked"] == "Forbidden Forbidden: bot was blocked by the user"
    assert seen["migrated"] == f"ChatMigrated {_MOVED}"
    assert seen["flooded"].startswith("RetryAfter ")
    assert seen["conflict"].startswith("Conflict Conflict: terminated by other getUpdates request")
    assert seen["wrong_token"].startswith("InvalidToken")


@pytest.mark.soak
async def test_aiogram_takes_the_lab_for_telegram() -> None:
    """Its dispatcher polls, answers a command and a press, and knows each refusal by its own exception."""
    seen, server = await _met("aiogram", "telegram_aiogram")
    print(f"aiogram {seen['version']}: {dict(server.requests)}")
    assert seen["me"] == ["perpscope_lab_bot", 4839574812]
    assert seen["sent"][:2] == ["BTC & more", "<b>BTC</b> &amp; more"]
    assert seen["photo"] == ["map", 3]
    assert seen["handled"] == [["command", "/status now"], ["press", "mute"]]
    assert seen["bad_html"].endswith('can\'t parse entities: Unsupported start tag "p" at byte offset 0')
    assert seen["blocked"] == "TelegramForbiddenError Forbidden: bot was blocked by the user"
    assert seen["migrated"] == f"TelegramMigrateToChat {_MOVED}"
    assert seen["flooded"].startswith("TelegramRetryAfter ")
    assert seen["wrong_token"] == "TelegramUnauthorizedError Unauthorized"
    assert "well" in [message.text for chat in server.bot.chats.by_id.values() for message in chat.messages.values()]
