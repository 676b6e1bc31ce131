"""python-telegram-bot against the lab's Bot API: every method it may call, each refusal as its own exceptions.

Run by `tests/acceptance/test_telegram_peers.py` in an environment of its own; prints what it understood, as JSON.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

import telegram
from telegram import Bot, BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError


def _bot(asked: dict[str, Any], token: str | None = None) -> Bot:
    return Bot(token or asked["token"], base_url=f"{asked['api']}/bot")


async def _refused(call: Awaitable[object]) -> str:
    """How a refusal looks to it."""
    try:
        await call
    except ChatMigrated as error:
        return f"ChatMigrated {error.new_chat_id}"
    except RetryAfter as error:
        return f"RetryAfter {error.retry_after}"
    except (BadRequest, Forbidden, Conflict, InvalidToken) as error:
        return f"{type(error).__name__} {error.message}"
    except TelegramError as error:
        return f"TelegramError {error.message}"
    return "nothing"


async def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Everything, one after the other."""
    seen: dict[str, Any] = {"version": telegram.__version__}
    chat = asked["chat"]
    async with _bot(asked) as bot:
        seen["me"] = [bot.username, bot.id]
        keys = InlineKeyboardMarkup(
            [
                [
                    InlineKeyboardButton("Chart", url="http://127.0.0.1:8000/map"),
                    InlineKeyboardButton("Mute 1h", callback_data="mute"),
                ]
            ]
        )
        sent = await bot.send_message(
            chat, "🔻 <b>BTC</b> &lt; 64,120", parse_mode="HTML", reply_markup=keys, disable_notification=True
        )
        seen["sent"] = [sent.text, [(e.type, e.offset, e.length) for e in sent.entities], sent.chat.id]
        assert sent.reply_markup is not None
        seen["buttons"] = [[b.text, b.url, b.callback_data] for b in sent.reply_markup.inline_keyboard[0]]
        edited = await bot.edit_message_text("twice", chat, sent.message_id)
        seen["edited"] = [edited.text, edited.message_id == sent.message_id, edited.edit_date is not None]
        seen["not_modified"] = await _refused(bot.edit_message_text("twice", chat, sent.message_id))
        await bot.edit_message_reply_markup(chat, sent.message_id, reply_markup=keys)
        photo = await bot.send_photo(chat, bytes.fromhex(asked["png"]), caption="<i>map</i>", parse_mode="HTML")
        seen["photo"] = [photo.caption, photo.photo[-1].width, photo.photo[-1].height]
        seen["deleted"] = await bot.delete_message(chat, photo.message_id)
        seen["gone"] = await _refused(bot.edit_message_text("x", chat, photo.message_id))
        seen["commands_set"] = await bot.set_my_commands([BotCommand("status", "feeds and counts")])
        seen["commands"] = [c.command for c in await bot.get_my_commands()]
        seen["chat"] = [(found := await bot.get_chat(chat)).type, found.first_name]
        seen["bad_html"] = await _refused(bot.send_message(chat, "a < b", parse_mode="HTML"))
        seen["unclosed"] = await _refused(bot.send_message(chat, "<b>a", parse_mode="HTML"))
        seen["too_long"] = await _refused(bot.send_message(chat, "x" * 4097))
        seen["no_chat"] = await _refused(bot.send_message(777, "x"))
        seen["blocked"] = await _refused(bot.send_message(asked["blocker"], "x"))
        seen["migrated"] = await _refused(bot.send_message(asked["old_group"], "x"))
        seen["flooded"] = await _refused(_flood(bot, asked["flooded"]))
        seen["updates"] = await _updates(bot)
        seen["conflict"] = await _conflict(asked, bot)
    seen["wrong_token"] = await _refused(_bot(asked, "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").initialize())
    return seen


async def _flood(bot: Bot, chat: int) -> None:
    for number in range(30):
        await bot.send_message(chat, f"{number}")


async def _updates(bot: Bot) -> list[list[Any]]:
    """What the person did; the second question confirms the first's."""
    found: list[list[Any]] = []
    offset = None
    while True:
        updates = await bot.get_updates(offset=offset, timeout=0, allowed_updates=Update.ALL_TYPES)
        if not updates:
            return found
        for update in updates:
            offset = update.update_id + 1
            if update.message is not None:
                found.append(["message", update.message.text, [e.type for e in update.message.entities]])
            if update.callback_query is not None:
                found.append(["press", update.callback_query.data])
                await update.callback_query.answer("muted")


async def _conflict(asked: dict[str, Any], bot: Bot) -> str:
    """Of two pollers the first is ended."""
    first = asyncio.create_task(_refused(bot.get_updates(timeout=20)))
    await asyncio.sleep(0.3)
    async with _bot(asked) as second:
        polling = asyncio.create_task(second.get_updates(timeout=1))
        told = await first
        await polling
    return told


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
