"""`parse_mode=HTML`, as Telegram reads it: text and entities, or the words it refuses the text with.

Written after what TDLib does (td/telegram/MessageEntity.cpp, parse_html). Offsets of entities are UTF-16 code units,
"byte offset" in a refusal counts UTF-8.
"""

import re
from typing import Final, NoReturn, TypeAlias

import msgspec

#: One entity, as the wire has it.
Entity: TypeAlias = dict[str, str | int]

_TYPES: Final = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("tg-spoiler", "span"), "spoiler"),
    "a": "text_link",
    "pre": "pre",
    "code": "code",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_REFERENCE: Final = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]+));?")
_NAME: Final = re.compile(r"[^\s>]*")
_ATTRIBUTE: Final = re.compile(r"[^\s=]*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9.\-]*")
_SPACE: Final = re.compile(r"\s*")


class BadMarkup(ValueError):
    """What Telegram says of a text that it cannot parse."""


class Parsed(msgspec.Struct, frozen=True):
    """A text without its tags."""

    text: str
    entities: list[Entity]


class _Open(msgspec.Struct):
    name: str
    argument: str
    at: int  #: UTF-16 units of text before it
    start: int  #: characters of text before it


def units(text: str) -> int:
    """UTF-16 code units, by which Telegram counts.

    >>> units("a🔻")
    3
    """
    return len(text.encode("utf-16-le")) // 2


def parse_html(source: str) -> Parsed:
    """Text and entities.

    Raises:
        BadMarkup: in the words of Telegram, without its "can't parse entities: ".

    >>> parse_html("<b>1 &lt; 2</b>")
    Parsed(text='1 < 2', entities=[{'type': 'bold', 'offset': 0, 'length': 5}])
    >>> parse_html("a < b")
    Traceback (most recent call last):
        ...
    perpscope.lab.telegram.markup.BadMarkup: Unsupported start tag "" at byte offset 2
    """
    return _Reading(source).read()


class _Reading:
    """Reads one text."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._text: list[str] = []
        self._length = self._units = 0
        self._open: list[_Open] = []
        self._entities: list[Entity] = []

    def read(self) -> Parsed:
        """All of it."""
        source = self._source
        while self._at < len(source):
            if source[self._at] == "&" and (found := self._reference()) is not None:
                self._keep(found)
            elif source[self._at] != "<":
                self._keep(source[self._at])
                self._at += 1
            elif source.startswith("</", self._at):
                self._end_tag()
            else:
                self._start_tag()
        if self._open:
            self._refuse(f'Can\'t find end tag corresponding to start tag "{self._open[-1].name}"')
        entities = sorted(self._entities, key=lambda one: (one["offset"], -int(one["length"])))
        return Parsed("".join(self._text), entities)

    def _keep(self, character: str) -> None:
        self._text.append(character)
        self._length += 1
        self._units += 1 + (ord(character) > 0xFFFF)

    def _reference(self) -> str | None:
        """The character of a reference that is known; the reading stands behind it then."""
        match = _REFERENCE.match(self._source, self._at)
        if match is None:
            return None
        decimal, hexadecimal, name = match.groups()
        if name is not None:
            found = _NAMED.get(name)
        else:
            code = int(decimal) if decimal is not None else int(hexadecimal, 16)
            found = chr(code) if 0 < code < 0x10FFFF and not 0xD800 <= code <= 0xDFFF else None
        if found is not None:
            self._at = match.end()
        return found

    def _start_tag(self) -> None:
        began = self._at
        match = _NAME.match(self._source, began + 1)
        name = "" if match is None else match[0].lower()
        self._at = began + 1 + len(name)
        if self._at >= len(self._source):
            self._refuse("Unclosed start tag", began)
        if name not in _TYPES:
            self._refuse(f'Unsupported start tag "{name}"', began)
        argument = ""
        while True:
            self._skip()
            if self._peek(began) == ">":
                break
            argument = self._attribute(name, began) or argument
        self._at += 1
        if name == "span" and argument != "spoiler":
            self._refuse('Tag "span" must have class "tg-spoiler"', began)
        self._open.append(_Open(name, argument, self._units, self._length))

    def _attribute(self, tag: str, began: int) -> str:
        """Read one; its value where it means something to the tag."""
        match = _ATTRIBUTE.match(self._source, self._at)
        name = "" if match is None else match[0]
        self._at += len(name)
        if not name:
            self._refuse(f'Empty attribute name in the tag "{tag}"', began)
        self._skip()
        if self._source[self._at : self._at + 1] != "=":
            self._refuse(f'Expected equal sign in declaration of an attribute of the tag "{tag}"', began)
        self._at += 1
        self._skip()
        self._peek(began, f' "{tag}"')
        value = self._value()
        self._peek(began)
        match (tag, name):
            case ("a", "href") | ("tg-emoji", "emoji-id"):
                return value
            case ("code", "class"):
                return value.removeprefix("language-") if value.startswith("language-") else ""
            case ("span", "class"):
                return value.removeprefix("tg-") if value.startswith("tg-") else ""
        return ""

    def _value(self) -> str:
        quote = self._source[self._at]
        if quote not in "'\"":
            began = self._at
            match = _TOKEN.match(self._source, began)
            token = "" if match is None else match[0]
            self._at += len(token)
            if self._source[self._at : self._at + 1] not in {">", " ", "\n", "\t", "\r"}:
                self._refuse("Unexpected end of name token", began)
            return token.lower()
        self._at += 1
        value = []
        while self._at < len(self._source) and self._source[self._at] != quote:
            found = self._reference() if self._source[self._at] == "&" else None
            if found is None:
                found = self._source[self._at]
                self._at += 1
            value.append(found)
        self._at += 1
        return "".join(value)

    def _end_tag(self) -> None:
        began = self._at
        if not self._open:
            self._refuse("Unexpected end tag", began)
        match = _NAME.match(self._source, began + 2)
        name = "" if match is None else match[0].lower()
        self._at = began + 2 + len(name)
        self._skip()
        if self._source[self._at : self._at + 1] != ">":
            self._refuse("Unclosed end tag", began)
        self._at += 1
        opened = self._open.pop()
        if name and name != opened.name:
            at = len(self._source[:began].encode())
            self._refuse(f'Unmatched end tag at byte offset {at}, expected "</{opened.name}>", found "</{name}>"')
        if self._units > opened.at:
            self._entities += _entity(opened, self._units - opened.at, "".join(self._text[opened.start :]))

    def _skip(self) -> None:
        match = _SPACE.match(self._source, self._at)
        self._at = self._at if match is None else match.end()

    def _peek(self, began: int, tag: str = "") -> str:
        """The next character of a start tag."""
        if self._at >= len(self._source):
            self._refuse(f"Unclosed start tag{tag}", began)
        return self._source[self._at]

    def _refuse(self, why: str, at: int | None = None) -> NoReturn:
        raise BadMarkup(why if at is None else f"{why} at byte offset {len(self._source[:at].encode())}")


def _entity(opened: _Open, length: int, inside: str) -> list[Entity]:
    """What a closed tag makes: nothing, where a link leads nowhere."""
    made: Entity = {"type": _TYPES[opened.name], "offset": opened.at, "length": length}
    if opened.name == "a":
        url = opened.argument or inside
        if wrong_url(url) is not None:
            return []
        made["url"] = url
    elif opened.name == "tg-emoji":
        made["custom_emoji_id"] = opened.argument
    elif opened.name == "code" and opened.argument:
        made["language"] = opened.argument
    return [made]


def wrong_url(url: str) -> str | None:
    """What is wrong with the address of a link or a button; None if nothing is.

    A host wants a dot in its name: `localhost` is refused, `127.0.0.1` is not (rubenlagus/TelegramBots#302).

    >>> wrong_url("http://localhost:8000/map"), wrong_url("https://desk.example/map")
    ('Wrong HTTP URL', None)
    """
    scheme, found, rest = url.partition("://")
    if not found:
        scheme, rest = "http", url
    if scheme.lower() == "tg":
        return None
    if scheme.lower() not in {"http", "https"}:
        return "Unsupported URL protocol"
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    is_six = host.startswith("[") and "]" in host
    return None if is_six or ("." in host.rpartition(":")[0] + host and " " not in host) else "Wrong HTTP URL"
