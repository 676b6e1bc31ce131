"""The Telegram sink: alerts as messages of a bot, edited as they go on, and the commands people send to it.

In: alerts and sayings; updates of the Bot API. Out: messages to the chats of the settings, and a delivery for each
alert and phase once it is known. Whatever Telegram does, whoever tells waits for nobody else, and the log hears of a
trouble once.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from perpscope.analytics.alerts.alert import Alert, Phase, Severity
from perpscope.analytics.alerts.saying import Saying, Silent, Traded
from perpscope.app.alerts.sink import Delivery
from perpscope.errors import NotifyError
from perpscope.feeds.clock import wall_ns
from perpscope.notify.bot_api import BotApi
from perpscope.notify.commands import Commands, Reply, mute_button
from perpscope.notify.messages import alert_text, left_out_text, saying_text
from perpscope.notify.pace import Pace
from perpscope.notify.phrases import Language, phrase
from perpscope.notify.queue import Buttons, Outbox, Post

NAME: Final = "telegram"
_MS_NS: Final = 1_000_000
_POLL_S: Final = 25.0
#: Real seconds until updates are asked for again after a refusal, at first and at most; the same after a conflict.
_AGAIN_FIRST_S, _AGAIN_MOST_S = 1.0, 300.0
_CONFLICT_S: Final = 30.0
_RANKS: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_URGENT: Final = frozenset({"stop", "liquidated", "naked", "mismatch", "halted", "gone"})
_SAME: Final = "message is not modified"
_UNKNOWN: Final = "telegram-unauthorized"
_log = structlog.get_logger()


class Telegram:
    """A bot.

    Args:
        bot: the way to Telegram.
        chats: that are written to.
        language: of messages.
        commands: answers people; None = nobody is listened to.
        page: URL that links of alerts are below; empty = messages have none.
        most: messages that may wait.
        pace: of this bot; Telegram's by default.
        monotonic: real seconds from any origin.
    """

    name = NAME

    def __init__(
        self,
        bot: BotApi,
        chats: Sequence[int],
        language: Language,
        *,
        commands: Commands | None = None,
        page: str = "",
        most: int = 200,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bot = bot
        self._chats = list(dict.fromkeys(chats))
        self._language = language
        self._commands = commands
        self._page = page.rstrip("/")
        self._monotonic = monotonic
        self.outbox = Outbox(most, lambda count: left_out_text(count, language), pace)
        self._news = asyncio.Event()
        self._open: dict[tuple[str, str], _Outcome] = {}
        self._troubles: set[str] = set()  # codes that were told, of sending
        self._unheard_of: set[str] = set()  # and of listening
        self._offset = 0
        self._again_s = _AGAIN_FIRST_S
        self._is_menu_set = False
        self._answers: set[asyncio.Task[None]] = set()

    # the port ------------------------------------------------------------------------------------------------------

    async def tell(self, alert: Alert) -> Delivery:
        """Send it, or edit its message; returns when it is known what became of it."""
        return await self._posted(
            alert.id,
            alert.phase.value,
            alert_text(alert, self._language),
            root=alert.id,
            subject=f"{alert.rule}:{alert.coin}",
            buttons=self._buttons(alert),
            rank=_RANKS[alert.severity] if alert.phase is Phase.RAISED else min(1, _RANKS[alert.severity]),
            is_silent=alert.is_silent,
        )

    async def say(self, saying: Saying) -> Delivery:
        """The same for what is no alert."""
        return await self._posted(
            saying.id,
            saying.kind,
            saying_text(saying, self._language),
            root=saying.edits or saying.id,
            subject="",
            buttons=[],
            rank=_rank(saying),
            is_silent=saying.is_silent,
        )

    def recall(self, told: Sequence[Delivery]) -> None:
        """Messages of before a restart, so that they are edited and not sent again."""
        for delivery in told:
            if delivery.sink != NAME or not delivery.reference:
                continue
            for reference in delivery.reference.split():
                chat, _, message = reference.partition(":")
                self.outbox.known(int(chat), delivery.alert_id, int(message))

    async def run(self) -> None:
        """Send what waits and listen to people, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forever(self._send_next))
            if self._commands is not None:
                commands = self._commands
                group.create_task(self._forever(lambda: self._hear(commands)))

    async def aclose(self) -> None:
        """Let go; what still waits was not sent."""
        for task in tuple(self._answers):
            task.cancel()
        for name in list(self._open):
            self._settle(name, len(self._chats), why="the face ended before it was sent")
        await self._bot.aclose()

    # out -----------------------------------------------------------------------------------------------------------

    async def _posted(self, name: str, phase: str, text: str, *, buttons: Buttons, **more: Any) -> Delivery:  # noqa: ANN401 -- of Post
        outcome = self._open.setdefault((name, phase), _Outcome(self._chats))
        for chat in self._chats:
            post = Post(chat=chat, id=name, phase=phase, text=text, buttons=buttons, **more)
            for dropped in self.outbox.put(post, self._monotonic()):
                self._dropped(dropped, "the queue was full")
        self._news.set()
        await outcome.settled.wait()
        self._open.pop((name, phase), None)
        return Delivery(
            sink=NAME,
            alert_id=name,
            at_ms=wall_ns() // _MS_NS,
            is_sent=bool(outcome.references),
            phase=phase,
            why=None if outcome.references else outcome.why,
            reference=" ".join(outcome.references) or None,
        )

    async def _send_next(self) -> None:
        """One post, or the wait for one."""
        now = self._monotonic()
        post, at = self.outbox.next(now)
        if post is None:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), None if at == math.inf else max(0.0, at - now))
            return
        if (why := self.outbox.drop_why(post, now)) is not None:
            self._dropped(post, why)
            return
        self.outbox.tried(post, now)
        try:
            message = await self._write(post)
        except NotifyError as error:
            self._refused(post, error)
        else:
            self._troubles.clear()
            self.outbox.sent(post, message, self._monotonic())
            for covered in post.covers:
                self._settle(covered, reference=f"{post.chat}:{message}")

    async def _write(self, post: Post) -> int:
        """The message it is now."""
        arguments: dict[str, object] = {
            "chat_id": post.chat,
            "text": post.text,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
        if post.buttons:
            arguments["reply_markup"] = {"inline_keyboard": post.buttons}
        if post.message is None:
            made = await self._bot.call("sendMessage", arguments | {"disable_notification": post.is_silent})
            return int(made["message_id"])
        try:
            await self._bot.call("editMessageText", arguments | {"message_id": post.message})
        except NotifyError as error:
            if _SAME not in error.message:
                raise
        return post.message

    def _refused(self, post: Post, error: NotifyError) -> None:
        why = self.outbox.refused(post, error, self._monotonic())
        is_told = error.code in self._troubles or (error.code == _UNKNOWN and error.code in self._unheard_of)
        self._troubles.add(error.code)
        if error.code != "telegram-limited" and not is_told:
            _log.error("Telegram does not take messages", code=error.code, why=error.message, hint=error.hint)
        if error.moved_to is not None:
            _log.warning("a group has another id now: set it in telegram.chats", chat=error.moved_to)
            if self._commands is not None:
                self._commands.chats.add(error.moved_to)
        if why is not None:
            self._dropped(post, f"{error.code}: {why}")

    def _dropped(self, post: Post, why: str) -> None:
        for covered in post.covers:
            self._settle(covered, why=why)

    def _settle(self, name: tuple[str, str], chats: int = 1, *, reference: str = "", why: str = "") -> None:
        outcome = self._open.get(name)
        if outcome is not None:
            outcome.take(chats, reference, why)

    def _buttons(self, alert: Alert) -> Buttons:
        row = []
        if alert.link is not None and self._page:
            is_here = self._page.startswith(("http://127.", "http://[::1]"))
            name = "chart_here" if is_here else "chart"
            row.append({"text": phrase(self._language, name), "url": f"{self._page}{alert.link}"})
        if alert.phase is not Phase.CLEARED and self._commands is not None:
            row.append({"text": phrase(self._language, "mute"), "callback_data": mute_button(alert.rule)})
        return [row] if row else []

    # in ------------------------------------------------------------------------------------------------------------

    async def _hear(self, commands: Commands) -> None:
        """Ask for updates once; what was answered does not come back."""
        asked: dict[str, object] = {
            "offset": self._offset,
            "timeout": int(_POLL_S),
            "allowed_updates": ["message", "callback_query"],
        }
        try:
            if not self._is_menu_set:
                await self._bot.call("setMyCommands", {"commands": commands.menu()})
                self._is_menu_set = True
            updates = await self._bot.call("getUpdates", asked, wait_s=_POLL_S)
        except NotifyError as error:
            await asyncio.sleep(self._unheard(error))
            return
        self._again_s = _AGAIN_FIRST_S
        self._unheard_of.clear()
        for update in updates:
            self._offset = max(self._offset, int(update["update_id"]) + 1)
            task = asyncio.create_task(self._answer(commands, update))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    def _unheard(self, error: NotifyError) -> float:
        """Say once why nobody is heard; the seconds until the next try."""
        if error.code not in self._unheard_of and not (error.code == _UNKNOWN and error.code in self._troubles):
            _log.error("Telegram tells no commands", code=error.code, why=error.message, hint=error.hint)
        self._unheard_of.add(error.code)
        least = _CONFLICT_S if error.code == "telegram-conflict" else _AGAIN_FIRST_S
        wait_s, self._again_s = max(least, self._again_s), min(_AGAIN_MOST_S, self._again_s * 2.0)
        return max(wait_s, error.retry_after_s or 0.0)

    async def _answer(self, commands: Commands, update: dict[str, Any]) -> None:
        try:
            reply = await commands.reply(update)
            if reply is not None:
                self.outbox.heard(reply.chat)
                await self._reply(reply)
        except NotifyError as error:
            _log.warning("an answer was not taken", code=error.code, why=error.message)
        except Exception:  # one question's trouble is not the others'
            _log.exception("a question could not be answered")

    async def _reply(self, reply: Reply) -> None:
        if reply.query is not None:
            await self._bot.call("answerCallbackQuery", {"callback_query_id": reply.query, "text": reply.notice})
        if reply.message is not None:
            where = {"chat_id": reply.chat, "message_id": reply.message}
            await self._bot.call("editMessageReplyMarkup", where | {"reply_markup": {"inline_keyboard": []}})
        if reply.text:
            name = f"answer:{self._monotonic():.6f}:{reply.chat}"
            self.outbox.put(
                Post(
                    chat=reply.chat,
                    id=name,
                    phase="answer",
                    root=name,
                    subject="",
                    text=reply.text,
                    buttons=reply.buttons,
                    rank=2,
                ),
                self._monotonic(),
            )
            self._news.set()

    async def _forever(self, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await once()
            except Exception:  # the bot outlives a message
                _log.exception("the bot failed; it goes on")
                await asyncio.sleep(_AGAIN_FIRST_S)


def _rank(saying: Saying) -> int:
    """What nobody may miss goes before what is good to know."""
    told = saying.told
    is_urgent = isinstance(told, Silent) or (isinstance(told, Traded) and told.what in _URGENT)
    return 2 if is_urgent else 1


class _Outcome:
    """What became of one alert in one phase, over all chats."""

    def __init__(self, chats: Sequence[int]) -> None:
        self._left = len(chats)
        self.references: list[str] = []
        self.why = "no chat is set"
        self.settled = asyncio.Event()
        if not chats:
            self.settled.set()

    def take(self, chats: int, reference: str, why: str) -> None:
        """It is known of so many chats."""
        self._left -= chats
        if reference and reference not in self.references:
            self.references.append(reference)
        self.why = why or self.why
        if self._left <= 0:
            self.settled.set()
