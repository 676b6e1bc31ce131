"""Questions read from a URL into an endpoint's Struct: bounds, unknown and repeated names, times, cursors.

Everything that is wrong is told at once, as a problem 422 whose `errors` point at the names; no store is touched.
"""

import base64
import hashlib
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from perpscope.web.problem import Fault, Refused

_T = TypeVar("_T")
_LONGEST_QUERY: Final = 4096
_LONGEST_VALUE: Final = 512
_MOST_NAMES: Final = 40
_SHOWN: Final = 60
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_SPAN: Final = re.compile(r"^(\d{1,9}(?:\.\d{1,6})?)(s|m|h|d|w)$")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_EPOCH: Final = re.compile(r"^\d{12,13}$")
#: A `+` that was not written as %2B comes as a space.
_LOST_PLUS: Final = re.compile(r" (\d\d:\d\d)$")
_LATEST_MS: Final = 4_102_444_800_000  # the year 2100
_CHECK_BYTES: Final = 6

#: A field of this type takes an instant: epoch ms, ISO 8601 with a zone, or so long ago; read it with `instant_ms`.
Moment: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        min_length=2,
        max_length=40,
        description="epoch ms, ISO 8601 with a zone, or so long ago: 24h, 7d",
        examples=["24h", "2026-11-20T09:00:00Z", "1795165200000"],
        extra={"reads": "moment"},
    ),
]
#: A field of this type takes a length of time; read it with `duration_s`.
Span: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        min_length=2,
        max_length=16,
        pattern=_SPAN.pattern,
        description="a number with s, m, h, d or w",
        examples=["24h", "7d"],
        extra={"reads": "span"},
    ),
]
#: A field of this type takes the `next` of a page before; read it with `cursor_decode`.
Cursor: TypeAlias = Annotated[str, msgspec.Meta(max_length=256, description="`next` of the page before; opaque")]


def duration_s(text: str) -> float:
    """Seconds of a length of time such as "90s", "24h" or "7d".

    Raises:
        ValueError: it is none.
    """
    found = _SPAN.match(text)
    if found is None:
        raise ValueError(f"is no length of time such as 90s, 15m, 24h, 7d: {_shown(text)}")
    return float(found[1]) * _SECONDS[found[2]]


def instant_ms(text: str, now_ms: int) -> int:
    """Epoch ms of an instant: epoch ms, ISO 8601 with a zone, or a length of time before now.

    Args:
        text: as it stood in the query.
        now_ms: market time, epoch ms.

    Raises:
        ValueError: it is none, has no zone, or is not between 1970 and 2100.
    """
    if _SPAN.match(text):
        return max(0, now_ms - round(duration_s(text) * 1000))
    if _EPOCH.match(text):
        found = int(text)
    else:
        try:
            at = datetime.fromisoformat(_LOST_PLUS.sub(r"+\1", text))
        except ValueError:
            raise ValueError(
                f"is neither epoch ms, nor ISO 8601 with a zone, nor a length of time such as 24h: {_shown(text)}"
            ) from None
        if at.tzinfo is None:
            raise ValueError(f"has no zone; append Z for UTC: {_shown(text)}")
        found = round(at.timestamp() * 1000)
    if not 0 <= found < _LATEST_MS:
        raise ValueError(f"is not between 1970 and 2100: {_shown(text)}")
    return found


def cursor_encode(position: object) -> str:
    """An opaque cursor for where a page ended; `position` is a Struct, or a tuple of numbers and strings."""
    told = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(_check(told) + told).rstrip(b"=").decode()


def cursor_decode(text: str, type_: type[_T], *, pointer: str = "/cursor") -> _T:
    """What `cursor_encode` was given.

    Args:
        text: from the query.
        type_: of the position, e.g. `tuple[int, int]`.
        pointer: the name it came by.

    Raises:
        Refused: 422, it is none of ours.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if _check(raw[_CHECK_BYTES:]) == raw[:_CHECK_BYTES]:
            return msgspec.json.decode(raw[_CHECK_BYTES:], type=type_)
    except ValueError:  # not base64, or not a position of this kind (msgspec's errors are ValueErrors)
        pass
    raise refused([Fault(pointer, f"is no cursor of a page of this list: {_shown(text)}")])


def refused(faults: list[Fault]) -> Refused:
    """The refusal of a question, with all that is wrong with it."""
    first = f"{faults[0].pointer[1:]} {faults[0].message}" if faults[0].pointer else faults[0].message
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return Refused(422, "query-invalid", first + more, errors=faults, hint="/docs lists every parameter")


class Questions:
    """Reads the questions of one endpoint.

    Args:
        type_: the endpoint's `query`.
        in_path: names that stand in the path.
    """

    def __init__(self, type_: type[msgspec.Struct], in_path: frozenset[str] = frozenset()) -> None:
        self._type = type_
        self._fields = {field.encode_name: _Field(field) for field in msgspec.structs.fields(type_)}
        self._in_path = in_path
        if unknown := in_path - set(self._fields):
            raise ValueError(f"{type_.__name__} has no {', '.join(sorted(unknown))}")

    def read(self, query_string: bytes, in_path: Mapping[str, str] | None = None) -> msgspec.Struct:
        """The question.

        Args:
            query_string: as it came, still encoded.
            in_path: values that stand in the path, decoded.

        Raises:
            Refused: 422, with everything that is wrong.
        """
        pairs = [*_pairs(query_string)]
        faults: list[Fault] = []
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for name, text, from_path in [
            *((n, t, True) for n, t in (in_path or {}).items()),
            *((*p, False) for p in pairs),
        ]:
            pointer = "/" + name[:_SHOWN].replace("~", "~0").replace("/", "~1")
            field = self._fields.get(name)
            if field is None or (name in self._in_path) is not from_path:
                faults.append(Fault(pointer, f"is unknown here; known are {', '.join(self._known)}"))
            elif name in seen:
                faults.append(Fault(pointer, "stands there twice"))
            else:
                seen.add(name)
                try:
                    found[field.name] = field.read(text)
                except ValueError as error:
                    faults.append(Fault(pointer, str(error)))
        faults += [
            Fault("/" + name, "is needed")
            for name, field in self._fields.items()
            if field.is_required and name not in seen
        ]
        if faults:
            raise refused(faults)
        try:
            return self._type(**found)
        except (ValueError, TypeError) as error:  # what a Struct's own __post_init__ says
            raise refused([Fault("", str(error))]) from None

    @property
    def _known(self) -> list[str]:
        return [name for name in self._fields if name not in self._in_path] or ["none"]


class _Field:
    """One name of a question."""

    def __init__(self, field: msgspec.structs.FieldInfo) -> None:
        self.name = field.name
        self.is_required = field.required
        self._type = field.type
        info = inspect.type_info(field.type)
        self._reads = _reads(info)
        self._is_list = any(isinstance(part, inspect.CollectionType | inspect.VarTupleType) for part in _parts(info))

    def read(self, text: str) -> object:
        """The value of a text; ValueError says what is wrong with it."""
        if len(text) > _LONGEST_VALUE:
            raise ValueError(f"has {len(text)} characters, more than {_LONGEST_VALUE}")
        if _CONTROL.search(text):
            raise ValueError("has a control character")
        if self._reads == "span":
            duration_s(text)
        raw: object = (text.split(",") if text else []) if self._is_list else text
        try:
            value: object = msgspec.convert(raw, self._type, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"{_lowered(str(error))}; was {_shown(text)}") from None
        for number in value if isinstance(value, tuple | list) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"must be a finite number; was {_shown(text)}")
        if self._reads == "moment" and isinstance(value, str):
            instant_ms(value, _LATEST_MS)
        return value


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    if len(query_string) > _LONGEST_QUERY:
        raise refused([Fault("", f"the query has {len(query_string)} characters, more than {_LONGEST_QUERY}")])
    if not query_string:
        return []
    try:
        return parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_NAMES,
        )
    except ValueError as error:  # UnicodeDecodeError is one
        why = "is no UTF-8" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error}"
        raise refused([Fault("", f"the query {why}")]) from None


def _parts(info: inspect.Type) -> list[inspect.Type]:
    """The alternatives of a type, without what is only said about them."""
    match info:
        case inspect.Metadata():
            return _parts(info.type)
        case inspect.UnionType():
            return [part for kind in info.types for part in _parts(kind)]
        case _:
            return [info]


def _reads(info: inspect.Type) -> str | None:
    match info:
        case inspect.Metadata():
            return (info.extra or {}).get("reads") or _reads(info.type)
        case inspect.UnionType():
            return next((found for kind in info.types if (found := _reads(kind))), None)
        case _:
            return None


def _check(told: bytes) -> bytes:
    return hashlib.blake2b(told, digest_size=_CHECK_BYTES, person=b"cursor").digest()


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
