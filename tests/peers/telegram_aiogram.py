"""aiogram against the lab's Bot API: its dispatcher polls, answers a command and a press, and is told of refusals.

Run by `tests/acceptance/test_telegram_peers.py` in an environment of its own; prints what it understood, as JSON.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

import aiogram
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramAPIError, TelegramMigrateToChat, TelegramRetryAfter
from aiogram.filters import Command
from aiogram.types import BufferedInputFile, CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message


async def _refused(call: Awaitable[object]) -> str:
    """How a refusal looks to it."""
    try:
        await call
    except TelegramRetryAfter as error:
        return f"{type(error).__name__} {error.retry_after}"
    except TelegramMigrateToChat as error:
        return f"{type(error).__name__} {error.migrate_to_chat_id}"
    except TelegramAPIError as error:
        return f"{type(error).__name__} {error.message}"
    return "nothing"


def _bot(asked: dict[str, Any], token: str) -> Bot:
    return Bot(token, session=AiohttpSession(api=TelegramAPIServer.from_base(asked["api"])))


async def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Everything, one after the other."""
    seen: dict[str, Any] = {"version": aiogram.__version__, "handled": []}
    chat = asked["chat"]
    async with _bot(asked, asked["token"]) as bot:
        seen["me"] = [(me := await bot.get_me()).username, me.id]
        keys = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Mute 1h", callback_data="mute")]])
        sent = await bot.send_message(chat, "<b>BTC</b> &amp; more", parse_mode="HTML", reply_markup=keys)
        seen["sent"] = [sent.text, sent.html_text, sent.message_id]
        photo = await bot.send_photo(chat, BufferedInputFile(bytes.fromhex(asked["png"]), "map.png"), caption="map")
        assert photo.photo is not None
        seen["photo"] = [photo.caption, photo.photo[-1].width]
        seen["bad_html"] = await _refused(bot.send_message(chat, "<p>x</p>", parse_mode="HTML"))
        seen["blocked"] = await _refused(bot.send_message(asked["blocker"], "x"))
        seen["migrated"] = await _refused(bot.send_message(asked["old_group"], "x"))
        seen["flooded"] = await _refused(_flood(bot, asked["flooded"]))
        await _handle(bot, seen["handled"])
    async with _bot(asked, "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") as stranger:
        seen["wrong_token"] = await _refused(stranger.get_me())
    return seen


async def _flood(bot: Bot, chat: int) -> None:
    for number in range(30):
        await bot.send_message(chat, f"{number}")


async def _handle(bot: Bot, handled: list[list[Any]]) -> None:
    """Poll until the person's command and press were answered."""
    dispatcher = Dispatcher()

    @dispatcher.message(Command("status"))
    async def status(message: Message) -> None:
        handled.append(["command", message.text])
        await message.answer("well")

    @dispatcher.callback_query()
    async def pressed(query: CallbackQuery) -> None:
        handled.append(["press", query.data])
        await query.answer("muted")
        await dispatcher.stop_polling()

    await dispatcher.start_polling(bot, handle_signals=False, polling_timeout=1)


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
