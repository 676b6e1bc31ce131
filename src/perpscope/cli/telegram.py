"""`telegram`: find the chat a bot is to write to, and see whether a message arrives there."""

import asyncio
import secrets
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from perpscope.cli.options import Config, Json, settings
from perpscope.errors import ConfigError, NotifyError

if TYPE_CHECKING:
    from perpscope.analytics.alerts.saying import Saying
    from perpscope.notify.bot_api import BotApi
    from perpscope.notify.phrases import Language
    from perpscope.settings import Settings

_POLL_S = 5.0
_DIGITS = 6


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What `setup --json` prints."""

    bot: str  #: its username
    chat: int  #: for `telegram.chats`
    kind: str  #: private, group or supergroup
    name: str
    config: str  #: lines for perpscope.toml


class _Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A chat of `test --json`."""

    chat: int
    is_sent: bool
    why: str | None


def telegram(
    action: Annotated[Literal["setup", "test"], typer.Argument(help="What to do.")],
    wait: Annotated[
        float, typer.Option("--wait", min=1.0, max=3600.0, help="setup: seconds to wait for the code.")
    ] = 300.0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Find the chat a bot is to write to, or see whether a message arrives there."""
    from perpscope.notify.sinks import language_of, open_bot

    tree = settings(config=config).settings
    bot = open_bot(tree)
    if bot is None:
        raise ConfigError(
            "telegram-no-token",
            "no token of a bot is set",
            hint="make a bot: write /newbot to @BotFather; then PERPSCOPE_TELEGRAM__TOKEN=… or telegram.token_file",
        )
    if action == "setup":
        _print_found(asyncio.run(_setup(bot, tree, wait)), json=json)
        return
    if not tree.telegram.chats:
        raise ConfigError("telegram-no-chat", "telegram.chats is empty", hint="perpscope telegram setup finds the id")
    name, tried = asyncio.run(_test(bot, tree.telegram.chats, language_of(tree)))
    _print_tried(name, tried, json=json)
    if not all(one.is_sent for one in tried):
        raise typer.Exit(NotifyError.exit_code)


async def _setup(bot: "BotApi", tree: "Settings", wait_s: float) -> _Found:
    """Wait for whoever sends a code that nobody else knows."""
    from perpscope.notify.messages import saying_text
    from perpscope.notify.sinks import language_of

    try:
        me = await bot.call("getMe")
        code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
        _say(f"send this to @{me['username']}, or into the group it is to write to:  /start {code}")
        _say(f"or open https://t.me/{me['username']}?start={code} — waiting {wait_s:.0f} s, Ctrl-C ends it")
        chat = await _chat_that_sends(bot, code, wait_s, me["username"])
        text = saying_text(_trial(), language_of(tree))
        await bot.call("sendMessage", {"chat_id": chat["id"], "text": text, "parse_mode": "HTML"})
    finally:
        await bot.aclose()
    chats = [*tree.telegram.chats, *([] if chat["id"] in tree.telegram.chats else [chat["id"]])]
    return _Found(
        bot=me["username"],
        chat=chat["id"],
        kind=chat["type"],
        name=chat.get("title") or chat.get("first_name") or "",
        config=f"[telegram]\nchats = {chats}\n",
    )


async def _chat_that_sends(bot: "BotApi", code: str, wait_s: float, name: str) -> dict[str, Any]:
    offset, ends_at = 0, time.monotonic() + wait_s
    while (left := ends_at - time.monotonic()) > 0:
        poll_s = max(1, round(min(_POLL_S, left)))
        asked = {"offset": offset, "timeout": poll_s, "allowed_updates": ["message"]}
        for update in await bot.call("getUpdates", asked, wait_s=poll_s):
            offset = update["update_id"] + 1
            message = update.get("message") or {}
            if code in str(message.get("text") or "").split():
                await bot.call("getUpdates", {"offset": offset, "timeout": 0})  # it is not told again
                found: dict[str, Any] = message["chat"]
                return found
    raise NotifyError(
        "telegram-no-code", f"nobody sent the code to @{name} within {wait_s:g} s", hint="perpscope telegram setup"
    )


async def _test(bot: "BotApi", chats: tuple[int, ...], language: "Language") -> tuple[str, list[_Tried]]:
    """One message to each chat.

    Raises:
        NotifyError: the token is unknown, or Telegram cannot be reached.
    """
    from perpscope.notify.messages import saying_text

    try:
        me = await bot.call("getMe")
        text = saying_text(_trial(), language)
        tried = []
        for chat in chats:
            try:
                await bot.call("sendMessage", {"chat_id": chat, "text": text, "parse_mode": "HTML"})
                tried.append(_Tried(chat=chat, is_sent=True, why=None))
            except NotifyError as error:
                tried.append(_Tried(chat=chat, is_sent=False, why=f"{error.code}: {error.message}"))
    finally:
        await bot.aclose()
    return me["username"], tried


def _trial() -> "Saying":
    from perpscope.analytics.alerts.saying import Saying, Trial
    from perpscope.feeds.clock import wall_ns

    at_ms = wall_ns() // 1_000_000
    return Saying(id=f"trial:{at_ms}", at_ms=at_ms, told=Trial(), data="observed", kind="trial")


def _print_found(found: _Found, *, json: bool) -> None:
    if json:
        print(msgspec.json.encode(found).decode())
        return
    _say(f"{found.kind} chat {found.chat} ({found.name}); a message was sent to it. For perpscope.toml:")
    print(found.config, end="")


def _print_tried(name: str, tried: list[_Tried], *, json: bool) -> None:
    if json:
        print(msgspec.json.encode({"bot": name, "chats": tried}).decode())
        return
    for one in tried:
        print(f"@{name} → {one.chat}: " + ("sent" if one.is_sent else f"not sent: {one.why}"))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
