"""Commands and presses from chats: who may ask, what is answered, what is done on the host alone.

In: updates of the Bot API. Out: replies. A chat that is not in the settings gets no answer and is logged once; trading
can be stopped from here, and never let go further. A slow answer holds up nobody but whoever asked.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import structlog

from perpscope.app.alerts.sink import Controls
from perpscope.errors import PerpscopeError
from perpscope.notify.figures import safe
from perpscope.notify.phrases import Language, phrase
from perpscope.notify.questions import Questions, hours_in
from perpscope.notify.queue import Buttons
from perpscope.notify.switch import HALT, NO, PAUSE, Switch
from perpscope.reports import numerals

T = TypeVar("T")
_log = structlog.get_logger()

#: What the menu of the bot shows.
MENU: Final = (
    ("status", "feeds and counts", "데이터 상태"),
    ("map", "liquidation map: /map BTC", "청산 맵: /map BTC"),
    ("liq", "what was liquidated: /liq 1h", "최근 청산: /liq 1h"),
    ("sentiment", "how people are positioned", "시장 심리"),
    ("signals", "what strategies thought: /signals BTC", "시그널: /signals BTC"),
    ("positions", "what paper and live hold", "포지션"),
    ("pnl", "what they have come to", "손익"),
    ("pause", "nothing new is opened", "신규 진입 중지"),
    ("halt", "close everything, open nothing", "모두 종료하고 중단"),
    ("mute", "no alerts for a while: /mute 1h", "알림 잠시 끄기: /mute 1h"),
    ("help", "what I can tell", "도움말"),
)
_SWITCHES: Final = (PAUSE, HALT)
#: What would let trading go further.
_ON_THE_HOST: Final = ("resume", "reset", "arm", "paper", "trade")
_COMMAND: Final = re.compile(r"/([A-Za-z_]{1,32})(@\w+)?(?=\s|$)")
_MUTE: Final = "mute"
_MUTE_S: Final = 3600.0
_LONGEST: Final = 200  # characters of a command that are read
#: A command so old was asked while nobody was here (real seconds).
STALE_S: Final = 300
EVERY_RULE: Final = "*"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered to an update."""

    chat: int
    text: str = ""  #: HTML of a new message; empty = none
    query: str | None = None  #: a press that is answered
    notice: str = ""  #: shown to whoever pressed
    buttons: Buttons = []  #: below the new message
    message: int | None = None  #: below which a rule's button was pressed: it goes


def mute_button(rule: str) -> str:
    """What the button tells the bot; 64 bytes at most.

    >>> mute_button("big-liq")
    'mute:big-liq'
    """
    return f"{_MUTE}:{rule}"


class Commands:
    """Answers people.

    Args:
        chats: who may ask.
        questions: reads the store.
        controls: of the alerts; None = nothing can be muted.
        language: of the answers.
        wall_s: epoch seconds.
        switch: stops trading; None = nothing can be stopped from here.
    """

    def __init__(
        self,
        chats: Collection[int],
        questions: Questions,
        controls: Controls | None,
        language: Language,
        wall_s: Callable[[], float],
        switch: Switch | None = None,
    ) -> None:
        self.chats = set(chats)
        self._questions = questions
        self._controls = controls
        self._language = language
        self._wall_s = wall_s
        self._switch = switch
        self._strangers: set[int] = set()
        self._asking: set[int] = set()

    async def reply(self, update: Mapping[str, Any]) -> Reply | None:
        """What to answer an update; None where nothing is."""
        query, message = update.get("callback_query"), update.get("message")
        if isinstance(query, dict):
            return await self._pressed(query)
        if not isinstance(message, dict) or not self._is_allowed(_chat_of(message)):
            return None
        chat, text = _chat_of(message), str(message.get("text") or "")[:_LONGEST]
        match = _COMMAND.match(text)
        if match is None or self._wall_s() - float(message.get("date") or 0) > STALE_S:
            return None
        name, words = match[1].lower(), text[match.end() :].split()
        if name in _SWITCHES and self._switch is not None:
            switch, who = self._switch, _who(message, chat)
            said, buttons = await beside(lambda: switch.command(chat, who, name, words))
            return Reply(chat=chat, text=said, buttons=buttons)
        return Reply(chat=chat, text=await self._answer(chat, name, words))

    def menu(self) -> list[dict[str, str]]:
        """For `setMyCommands`."""
        return [{"command": name, "description": ko if self._language == "ko" else en} for name, en, ko in MENU]

    def _is_allowed(self, chat: int) -> bool:
        if chat in self.chats:
            return True
        if chat not in self._strangers and len(self._strangers) < _LONGEST:
            self._strangers.add(chat)
            _log.warning("a chat that is not in telegram.chats asked, and got no answer", chat=chat)
        return False

    async def _answer(self, chat: int, name: str, words: Sequence[str]) -> str:
        language = self._language
        if name in {"help", "start"}:
            return phrase(language, "help")
        if name == _MUTE:
            return self._mute_all(words)
        if name in _SWITCHES:
            return phrase(language, "no_store")
        if name in _ON_THE_HOST:
            return phrase(language, "on the host", command=f"/{name}")
        if not self._questions.knows(name):
            return phrase(language, "unknown_command", command=safe(f"/{name}"))
        if chat in self._asking:
            return phrase(language, "busy")
        self._asking.add(chat)
        try:
            return await beside(lambda: self._questions.answer(name, words))
        except Exception:  # ours; whoever asked is told that there is no answer
            _log.exception("a question could not be answered", command=name)
            return phrase(language, "trouble", code="internal", why=safe(f"/{name}"))
        finally:
            self._asking.discard(chat)

    def _mute_all(self, words: Sequence[str]) -> str:
        if self._controls is None:
            return phrase(self._language, "no_store")
        word = words[0].lower() if words else "1h"
        try:
            if word == "off":
                self._controls.unmute(EVERY_RULE)
                return phrase(self._language, "heard_again")
            hours = hours_in(word)
            if hours is None:
                return phrase(self._language, "duration_bad")
            until_ms = self._controls.mute(EVERY_RULE, hours * 3600.0)
        except PerpscopeError as error:
            return phrase(self._language, "trouble", code=error.code, why=safe(error.message))
        return phrase(self._language, "muted_all", until=numerals.moment(until_ms, "%d %b %H:%M"))

    async def _pressed(self, query: Mapping[str, Any]) -> Reply | None:
        """A button below a message."""
        message = query.get("message")
        chat = _chat_of(message) if isinstance(message, dict) else 0
        if not self._is_allowed(chat):
            return None
        verb, _, rule = str(query.get("data") or "").partition(":")
        answered = Reply(chat=chat, query=str(query.get("id")))
        number = message.get("message_id") if isinstance(message, dict) else None
        if verb in {*_SWITCHES, NO} and self._switch is not None:
            switch, who = self._switch, _who(query, chat)
            said = await beside(lambda: switch.pressed(chat, who, verb, rule))
            return msgspec.structs.replace(answered, text=said, message=number)
        if verb != _MUTE or not rule or self._controls is None:
            return answered
        try:
            until_ms = self._controls.mute(rule, _MUTE_S)
        except PerpscopeError as error:
            return msgspec.structs.replace(answered, notice=error.message[:190])
        until = numerals.moment(until_ms, "%H:%M")
        notice = phrase(self._language, "muted_rule", rule=rule, until=until)
        return msgspec.structs.replace(answered, notice=notice[:190], message=number)


def _chat_of(message: Mapping[str, Any]) -> int:
    chat = message.get("chat")
    found = chat.get("id") if isinstance(chat, dict) else 0
    return found if isinstance(found, int) else 0


def _who(message: Mapping[str, Any], chat: int) -> str:
    """Who said or pressed something, for the record."""
    person = message.get("from")
    found = person if isinstance(person, dict) else {}
    name = "".join(letter for letter in str(found.get("username") or "")[:32] if letter.isalnum() or letter == "_")
    said = f" (@{name})" if name else ""
    return f"telegram user {int(found.get('id') or 0)}{said} in chat {chat}"


async def beside(work: Callable[[], T]) -> T:
    """What some work gives, done in a thread of its own, that does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def done(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is one where there is no error

    def run() -> None:
        result: T | None = None
        raised: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # it is the asker's
            raised = error
        try:
            loop.call_soon_threadsafe(done, result, raised)
        except RuntimeError:  # the loop has ended meanwhile
            return

    threading.Thread(target=run, name="telegram-answer", daemon=True).start()
    return await future
