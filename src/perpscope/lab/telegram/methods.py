"""The methods of the Bot API and their refusals: arguments in, the answer's status and body out. No I/O.

https://core.telegram.org/bots/api. Left out: what our faces and the clients that check this lab never call; Markdown.
The limit of 4,096 characters is counted in UTF-16 units, after the tags are gone.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from perpscope.lab.clock import real_seconds, wall_ns
from perpscope.lab.telegram.chats import Chat, Chats, Json, Person, Shown
from perpscope.lab.telegram.flood import Flood, FloodRules
from perpscope.lab.telegram.markup import BadMarkup, Entity, parse_html, units, wrong_url

T = TypeVar("T")
#: A token nobody was given: shaped like the real ones.
TOKEN: Final = "4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcK"  # noqa: S105 -- of the lab's own bot
LONGEST_TEXT: Final = 4096
LONGEST_CAPTION: Final = 1024
_LONGEST_DATA: Final = 64
_MOST_COMMANDS: Final = 100
_NOT_MODIFIED: Final = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a"
    " current content and reply markup of the message"
)


class Answer(msgspec.Struct, frozen=True):
    """Of the API."""

    status: int
    body: Json


class Refused(Exception):
    """A method says no."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.answer = refusal(status, description, **parameters)


def refusal(status: int, description: str, **parameters: int) -> Answer:
    """What a refusal looks like."""
    body: Json = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return Answer(status, body)


def too_many(wait_s: int) -> Answer:
    """429, in Telegram's words."""
    return refusal(429, f"Too Many Requests: retry after {wait_s}", retry_after=wait_s)


class Methods:
    """One bot.

    Args:
        token: of the bot.
        rules: of what it may send.
        now_s: real seconds from any origin.
        wall_s: epoch seconds.
    """

    def __init__(
        self,
        token: str = TOKEN,
        rules: FloodRules | None = None,
        *,
        now_s: Callable[[], float] = real_seconds,
        wall_s: Callable[[], int] = lambda: wall_ns() // 1_000_000_000,
    ) -> None:
        self.token = token
        me = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": "perpscope lab",
            "username": "perpscope_lab_bot",
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }
        self.chats = Chats(me, wall_s)
        self.flood = Flood(FloodRules() if rules is None else rules)
        self.commands: list[Json] = []
        self._now_s = now_s
        self._files = itertools.count(1)
        self._methods: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
            "getme": lambda _: self.chats.me,
            "sendmessage": self._send_message,
            "sendphoto": self._send_photo,
            "editmessagetext": self._edit_text,
            "editmessagereplymarkup": self._edit_markup,
            "deletemessage": self._delete,
            "answercallbackquery": self._answer_query,
            "getchat": self._get_chat,
            "setmycommands": self._set_commands,
            "getmycommands": lambda _: self.commands,
            "sendchataction": lambda asked: bool(self._chat(asked)),
            "deletewebhook": lambda _: True,
            "getwebhookinfo": lambda _: self._webhook(),
        }

    def person(self, chat_id: int = 42, *, kind: str = "private", name: str = "Ada") -> Person:
        """Somebody who has started the bot."""
        return self.chats.open(chat_id, kind=kind, name=name)

    def call(self, method: str, asked: Mapping[str, Any]) -> Answer:
        """The answer of any method but `getUpdates`, which waits.

        Args:
            method: its name, in any case.
            asked: arguments; objects as JSON text or as they are; a file as bytes.
        """
        found = self._methods.get(method.lower())
        if found is None:
            return refusal(404, "Not Found: method not found")
        try:
            return Answer(200, {"ok": True, "result": found(asked)})
        except Refused as refused:
            return refused.answer

    # messages ------------------------------------------------------------------------------------------------------

    def _send_message(self, asked: Mapping[str, Any]) -> Json:
        chat = self._chat(asked)
        text, entities = _formatted(asked, "text", LONGEST_TEXT)
        buttons = _buttons(asked)
        self._may_send(chat)
        return self.chats.wire(
            self.chats.write(chat, text, entities, buttons, is_silent=_is_true(asked, "disable_notification"))
        )

    def _send_photo(self, asked: Mapping[str, Any]) -> Json:
        chat = self._chat(asked)
        photo = asked.get("photo")
        if not photo:
            _bad("there is no photo in the request")
        text, entities = _formatted(asked, "caption", LONGEST_CAPTION, is_needed=False)
        buttons = _buttons(asked)
        self._may_send(chat)
        size = len(photo) if isinstance(photo, bytes) else 0
        width, height = _size(photo) if isinstance(photo, bytes) else (0, 0)
        if isinstance(photo, bytes) and not width:
            _bad("IMAGE_PROCESS_FAILED")
        made = self.chats.write(chat, text, entities, buttons, is_silent=_is_true(asked, "disable_notification"))
        name = f"AgACAgIAAxkBAAM{next(self._files)}"
        made.photo = {"file_id": name, "file_unique_id": name[-8:], "width": width, "height": height, "file_size": size}
        return self.chats.wire(made)

    def _edit_text(self, asked: Mapping[str, Any]) -> Json:
        chat = self._chat(asked)
        message = self._own(chat, asked, "edit")
        if message.photo is not None:
            _bad("there is no text in the message to edit")
        text, entities = _formatted(asked, "text", LONGEST_TEXT)
        self._change(message, text, entities, _buttons(asked))
        return self.chats.wire(message)

    def _edit_markup(self, asked: Mapping[str, Any]) -> Json:
        message = self._own(self._chat(asked), asked, "edit")
        self._change(message, message.text, message.entities, _buttons(asked))
        return self.chats.wire(message)

    def _change(self, message: Shown, text: str, entities: list[Entity], buttons: list[list[Json]]) -> None:
        if (text, entities, buttons) == (message.text, message.entities, message.buttons):
            raise Refused(400, _NOT_MODIFIED)
        self._may_send(message.chat)
        if text != message.text:
            message.versions = [*message.versions, message.text]
        message.text, message.entities, message.buttons = text, entities, buttons
        message.edited = self.chats.wall_s()

    def _delete(self, asked: Mapping[str, Any]) -> bool:
        chat = self._chat(asked)
        del chat.messages[self._own(chat, asked, "delete").id]
        return True

    def _may_send(self, chat: Chat) -> None:
        if wait_s := self.flood.take(chat.id, self._now_s()):
            raise Refused(429, f"Too Many Requests: retry after {wait_s}", retry_after=wait_s)

    def _own(self, chat: Chat, asked: Mapping[str, Any], verb: str) -> Shown:
        if not asked.get("message_id"):
            _bad("message identifier is not specified")
        message = chat.messages.get(_whole(asked, "message_id"))
        if message is None:
            _bad(f"message to {verb} not found")
        if not message.is_bots and verb == "edit":
            _bad("message can't be edited")
        return message

    def _chat(self, asked: Mapping[str, Any]) -> Chat:
        if asked.get("chat_id") in {None, ""}:
            _bad("chat_id is empty")
        try:
            chat = self.chats.by_id.get(int(asked["chat_id"]))
        except (TypeError, ValueError):
            chat = None  # a channel by its name: the lab has none
        if chat is None:
            _bad("chat not found")
        if chat.migrated_to is not None:
            raise Refused(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.migrated_to,
            )
        if chat.is_blocked:
            by = "blocked by the user" if chat.kind == "private" else f"kicked from the {chat.kind} chat"
            raise Refused(403, f"Forbidden: bot was {by}")
        return chat

    # the rest ------------------------------------------------------------------------------------------------------

    def _answer_query(self, asked: Mapping[str, Any]) -> bool:
        if self.chats.queries.pop(str(asked.get("callback_query_id", "")), None) is None:
            _bad("query is too old and response timeout expired or query ID is invalid")
        self.chats.answered.append(dict(asked))
        return True

    def _get_chat(self, asked: Mapping[str, Any]) -> Json:
        return {
            **self._chat(asked).wire(),
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": _GIFTS,
        }

    def _set_commands(self, asked: Mapping[str, Any]) -> bool:
        wanted = _object(asked, "commands", list)
        if len(wanted) > _MOST_COMMANDS:
            _bad("BOT_COMMANDS_TOO_MUCH")
        for one in wanted:
            name = str(one.get("command", "")).removeprefix("/")
            if not (name.replace("_", "a").isalnum() and name.islower() and name.isascii() and len(name) <= 32):
                _bad("BOT_COMMAND_INVALID")
            if not 1 <= len(str(one.get("description", ""))) <= 256:
                _bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands = wanted
        return True

    def _webhook(self) -> Json:
        return {"url": "", "has_custom_certificate": False, "pending_update_count": len(self.chats.updates)}


_GIFTS: Final = dict.fromkeys(
    ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), False
)


def _bad(why: str) -> NoReturn:
    raise Refused(400, f"Bad Request: {why}")


def _formatted(
    asked: Mapping[str, Any], name: str, longest: int, *, is_needed: bool = True
) -> tuple[str, list[Entity]]:
    """Text and entities of an argument, as its `parse_mode` says."""
    source = str(asked.get(name) or "")
    mode = str(asked.get("parse_mode") or "").lower()
    if mode not in {"", "html"}:
        _bad("unsupported parse_mode")
    entities: list[Entity] = []
    if mode:
        try:
            parsed = parse_html(source)
        except BadMarkup as error:
            _bad(f"can't parse entities: {error}")
        source, entities = parsed.text, parsed.entities
    text = source.strip()
    if is_needed and not text:
        _bad("message text is empty")
    if units(text) > longest:
        _bad("message is too long" if is_needed else "message caption is too long")
    lead = units(source) - units(source.lstrip())
    return text, [{**one, "offset": max(0, int(one["offset"]) - lead)} for one in entities]


def _buttons(asked: Mapping[str, Any]) -> list[list[Json]]:
    markup = _object(asked, "reply_markup", dict)
    rows: list[list[Json]] = markup.get("inline_keyboard") or []
    for row in rows:
        for button in row:
            if not button.get("text"):
                _bad('can\'t parse inline keyboard button: Field "text" must be a non-empty String')
            if "url" in button and (why := wrong_url(button["url"])) is not None:
                _bad(f"inline keyboard button URL '{button['url']}' is invalid: {why}")
            if len(str(button.get("callback_data", "")).encode()) > _LONGEST_DATA:
                _bad("BUTTON_DATA_INVALID")
            if not {"url", "callback_data"} & set(button):
                _bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    return rows


def _object(asked: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """An argument that is an object, or one as JSON text; empty where it is not given."""
    given = asked.get(name)
    if given in (None, ""):
        return kind()
    if isinstance(given, str | bytes):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            _bad(f"can't parse {name.replace('_', ' ')} JSON object")
    if not isinstance(given, kind):
        _bad(f"object expected as {name.replace('_', ' ')}")
    return given


def _whole(asked: Mapping[str, Any], name: str, default: int = 0) -> int:
    try:
        return int(asked.get(name) or default)
    except (TypeError, ValueError):
        return default


def _is_true(asked: Mapping[str, Any], name: str) -> bool:
    return str(asked.get(name, "")).lower() in {"true", "yes", "1"}


def _size(picture: bytes) -> tuple[int, int]:
    """Width and height of a PNG; zeros for anything else."""
    if not picture.startswith(b"\x89PNG\r\n\x1a\n") or len(picture) < 24:
        return 0, 0
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")
