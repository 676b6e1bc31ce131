"""The chats of a bot: what was written into them, and what their people do.

In: messages of the bot, words and presses of people. Out: messages as the wire has them, and updates for the bot.
"""

import itertools
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from perpscope.lab.telegram.markup import Entity, units

#: A JSON object of the wire.
Json: TypeAlias = dict[str, Any]
#: Updates are kept for a day at most; so many are plenty here.
_MOST_UPDATES: Final = 1000


class Shown(msgspec.Struct):
    """A message, as its chat shows it."""

    id: int
    chat: "Chat"
    is_bots: bool
    date: int  #: epoch seconds
    text: str
    entities: list[Entity]
    buttons: list[list[Json]] = []
    is_silent: bool = False
    photo: Json | None = None  #: of a picture: its size; `text` is the caption
    edited: int | None = None  #: epoch seconds
    versions: list[str] = []  #: texts it had before


class Chat(msgspec.Struct, eq=False):
    """A conversation; a group where `kind` says so."""

    id: int
    kind: str  #: private, group or supergroup
    name: str
    messages: dict[int, Shown] = {}
    is_blocked: bool = False  #: by its person, or the bot was thrown out
    migrated_to: int | None = None

    def wire(self) -> Json:
        """As the wire has it."""
        named = {"first_name": self.name} if self.kind == "private" else {"title": self.name}
        return {"id": self.id, "type": self.kind, **named}


class Chats:
    """All chats of one bot.

    Args:
        me: the bot, as `getMe` tells it.
        wall_s: epoch seconds now.
    """

    def __init__(self, me: Json, wall_s: Callable[[], int]) -> None:
        self.me = me
        self.wall_s = wall_s
        self.by_id: dict[int, Chat] = {}
        self.updates: list[Json] = []
        self.queries: dict[str, Json] = {}  #: presses that are not answered yet
        self.answered: list[Json] = []  #: what was said to presses
        self.told: Callable[[], None] = lambda: None  #: called at each update
        self._message_ids = itertools.count(1)
        self._update_ids = itertools.count(900_000_001)
        self._query_ids = itertools.count(4_382_000_000_000_001)

    def open(self, chat_id: int, *, kind: str = "private", name: str = "Ada") -> "Person":
        """A person who has started the bot, or a group it is in."""
        self.by_id[chat_id] = Chat(chat_id, kind, name)
        return Person(self, self.by_id[chat_id])

    def write(
        self, chat: Chat, text: str, entities: list[Entity], buttons: list[list[Json]], *, is_silent: bool = False
    ) -> Shown:
        """A message of the bot."""
        made = Shown(next(self._message_ids), chat, True, self.wall_s(), text, entities, buttons, is_silent=is_silent)
        chat.messages[made.id] = made
        return made

    def heard(self, chat: Chat, text: str, sender: int) -> Shown:
        """A message of a person."""
        entities: list[Entity] = []
        if text.startswith("/"):
            entities.append({"type": "bot_command", "offset": 0, "length": units(text.split(maxsplit=1)[0])})
        made = Shown(next(self._message_ids), chat, False, self.wall_s(), text, entities)
        chat.messages[made.id] = made
        self._update({"message": self.wire(made, sender)})
        return made

    def pressed(self, message: Shown, data: str, sender: int) -> str:
        """A button of a message was pressed; the id of the query."""
        name = str(next(self._query_ids))
        query = {
            "id": name,
            "from": _person(sender, message.chat),
            "message": self.wire(message),
            "chat_instance": str(abs(message.chat.id) * 7919),
            "data": data,
        }
        self.queries[name] = query
        self._update({"callback_query": query})
        return name

    def wire(self, message: Shown, sender: int | None = None) -> Json:
        """A message as the wire has it."""
        chat = message.chat
        made: Json = {
            "message_id": message.id,
            "from": self.me_short() if message.is_bots else _person(chat.id if sender is None else sender, chat),
            "chat": chat.wire(),
            "date": message.date,
        }
        if message.edited is not None:
            made["edit_date"] = message.edited
        text, entities = ("text", "entities") if message.photo is None else ("caption", "caption_entities")
        if message.photo is not None:
            made["photo"] = [message.photo]
        if message.text:
            made[text] = message.text
        if message.entities:
            made[entities] = message.entities
        if message.buttons:
            made["reply_markup"] = {"inline_keyboard": message.buttons}
        return made

    def me_short(self) -> Json:
        """The bot, as messages name it."""
        return {name: self.me[name] for name in ("id", "is_bot", "first_name", "username")}

    def migrate(self, chat: Chat, to: int) -> None:
        """A group becomes a supergroup of another id."""
        chat.migrated_to = to
        self.by_id[to] = Chat(to, "supergroup", chat.name)

    def _update(self, what: Json) -> None:
        self.updates.append({"update_id": next(self._update_ids), **what})
        del self.updates[:-_MOST_UPDATES]
        self.told()


class Person:
    """Who is at the other end of a chat."""

    def __init__(self, chats: Chats, chat: Chat) -> None:
        self._chats = chats
        self.chat = chat

    @property
    def id(self) -> int:
        """Of the chat."""
        return self.chat.id

    @property
    def inbox(self) -> list[Shown]:
        """What the bot has written, oldest first, as it stands now."""
        return [message for message in self.chat.messages.values() if message.is_bots]

    def says(self, text: str, *, sender: int | None = None) -> None:
        """Write to the bot; in a group as `sender`."""
        self._chats.heard(self.chat, text, self.chat.id if sender is None else sender)

    def presses(self, message: Shown, label: str) -> str:
        """Press a button by what stands on it; the id of the query.

        Raises:
            LookupError: the message has no such button that tells the bot.
        """
        for row in message.buttons:
            for button in row:
                if button["text"] == label and "callback_data" in button:
                    return self._chats.pressed(message, button["callback_data"], self.chat.id)
        raise LookupError(f"no button {label!r} below message {message.id}")

    def blocks(self, *, is_blocked: bool = True) -> None:
        """Block the bot, or let it write again."""
        self.chat.is_blocked = is_blocked


def _person(sender: int, chat: Chat) -> Json:
    name = chat.name if chat.kind == "private" else "Somebody"
    return {"id": abs(sender), "is_bot": False, "first_name": name, "language_code": "en"}
