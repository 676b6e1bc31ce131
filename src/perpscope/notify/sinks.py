"""The sinks the settings ask for: what `app.alerts` is handed by whoever starts a face."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import structlog

from perpscope.app.alerts.sink import Controls, Sink
from perpscope.app.face import Live
from perpscope.errors import ConfigError
from perpscope.feeds import way_out
from perpscope.feeds.clock import wall_ns
from perpscope.notify import credentials
from perpscope.notify.bot_api import BotApi
from perpscope.notify.commands import Commands
from perpscope.notify.log import LogSink
from perpscope.notify.phrases import Language
from perpscope.notify.questions import Questions
from perpscope.notify.switch import Switch
from perpscope.notify.telegram import Telegram
from perpscope.notify.webhook import WebhookSink
from perpscope.settings import Settings

_log = structlog.get_logger()


def make_sinks(settings: Settings, database: Path | None, live: Live, controls: Controls) -> Sequence[Sink]:  # noqa: ARG001 -- a SinkMaker
    """The log, and a webhook and a bot where they are set up.

    Args:
        settings: the whole tree.
        database: the store that commands read; None = this face has none.
        live: what the heart tells.
        controls: what commands may do to the alerts.

    Returns:
        What can be used; a wrong token or secret is logged, and costs that sink alone.
    """
    sinks: list[Sink] = [LogSink(language_of(settings))]
    for made in (_webhook, _telegram):
        try:
            found = made(settings, database, controls)
        except ConfigError as error:  # alerts are watched all the same
            _log.error("a way to tell people is left out", code=error.code, why=error.message, hint=error.hint)
            continue
        sinks += [] if found is None else [found]
    return sinks


def _webhook(settings: Settings, _: Path | None, __: Controls) -> Sink | None:
    told = settings.webhook
    if not told.url:
        return None
    key = credentials.webhook_key(told)
    proxy = way_out.chosen("", settings.proxy.url)
    return WebhookSink(told.url, key, language_of(settings), proxy=proxy, timeout_s=told.timeout_s)


def _telegram(settings: Settings, database: Path | None, controls: Controls) -> Sink | None:
    told, language = settings.telegram, language_of(settings)
    bot = open_bot(settings)
    if bot is None or not told.chats:
        if bot is not None or told.chats:
            lacks = "no chat: perpscope telegram setup finds its id" if bot is not None else "no token"
            _log.warning("Telegram is not set up", lacks=lacks)
        return None
    commands = None
    if told.commands:
        questions = Questions(database, settings, language)
        switch = None if database is None else Switch(database, settings.trade, language, lambda: wall_ns() / 1e9)
        commands = Commands(told.chats, questions, controls, language, lambda: wall_ns() / 1e9, switch)
    return Telegram(bot, told.chats, language, commands=commands, page=page_of(settings), most=told.queue)


def open_bot(settings: Settings) -> BotApi | None:
    """The way to Telegram; None where there is no token.

    Raises:
        ConfigError: the token or the proxy is not to be used; the message has nothing of either.
    """
    token = credentials.bot_token(settings.telegram)
    if token is None:
        return None
    return BotApi(token, settings.telegram.api, proxy=way_out.chosen(settings.telegram.proxy, settings.proxy.url))


def language_of(settings: Settings) -> Language:
    """Of messages."""
    return cast(Language, settings.alerts.language)


def page_of(settings: Settings) -> str:
    """Where links in messages lead; empty where nobody could follow them.

    Telegram refuses a host without a dot (`localhost`), so this machine is named by its number.
    """
    web = settings.web
    if web.public_url:
        return web.public_url.rstrip("/")
    if web.host in {"127.0.0.1", "localhost", "::1"} and web.port and not web.certificate:
        return f"http://127.0.0.1:{web.port}"
    return ""
