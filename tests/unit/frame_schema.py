"""The shape of JSON frames: which fields there are, of which types, how text in them is written; and where two differ.

In: decoded frames of one kind. Out: a `Schema` (path → the forms seen there), and the `Difference`s of a lab's from a
recorded one. A path is `data[].T`, `b[][0]` (places of a row) or `mids{}` (names that are data, where told so).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = Any  # decoded; its shape is what is asked
Schema: TypeAlias = dict[str, "Field"]

#: of milliseconds that are told: 2014 to 2033; the venues' ids lie outside
_TIMES = range(1_400_000_000_000, 2_000_000_000_000)
_FIGURE = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Field(NamedTuple):
    """What was seen at one path."""

    forms: frozenset[str]
    is_always: bool  #: wherever what it is part of was


class Difference(NamedTuple):
    """One path at which two schemas do not say the same."""

    path: str
    recorded: str  #: forms, or "-" for nothing
    lab: str

    def __str__(self) -> str:
        return f"{self.path}: recorded {self.recorded}, lab {self.lab}"


def form(value: Json) -> str:
    """How a scalar is written: JSON's type, and of text and integers what they look like."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "time" if value in _TIMES else "int"
        case float():
            return "number"
        case str():
            return _text(value)
    raise TypeError(f"no JSON scalar: {value!r}")


def _text(value: str) -> str:
    """Form of a text."""
    if not value:
        return '""'
    if value.isdecimal() and int(value) in _TIMES:
        return '"time"'
    if _FIGURE.fullmatch(value):
        return '"figure"'
    if _UUID.fullmatch(value):
        return '"uuid"'
    if re.fullmatch(r"0x[0-9a-f]+", value):
        return '"0x"'
    letters = re.sub(r"[^A-Za-z]", "", value)
    return '"WORD"' if letters.isupper() else '"word"' if letters.islower() else '"Word"'


def schema(frames: Iterable[Json], maps: Sequence[str] = ()) -> Schema:
    """Fields of many frames of one kind.

    Args:
        frames: decoded.
        maps: paths of objects whose names are data (a symbol, a date): all of them are one field.
    """
    survey = _Survey(maps)
    for frame in frames:
        survey.enter("", frame)
    return {
        path: Field(_settled(forms), not path or survey.within[path] == survey.wholes[_parent(path)])
        for path, forms in survey.forms.items()
    }


def _settled(forms: set[str]) -> frozenset[str]:
    """Numbers of which only some look like a time are none."""
    return frozenset(forms - {"time"} if "int" in forms else forms - {'"time"'} if '"figure"' in forms else forms)


class _Survey:
    """What was seen where, so far."""

    def __init__(self, maps: Sequence[str]) -> None:
        self.forms: dict[str, set[str]] = {}
        self.wholes: Counter[str] = Counter()  # objects and lists at a path that have something in them
        self.within: Counter[str] = Counter()  # of those, how many have this
        self._maps = frozenset(maps)

    def enter(self, path: str, value: Json) -> None:
        """One value and what is in it."""
        match value:
            case dict():
                self._enter(path, "{}", [(self._named(path, name), inner) for name, inner in value.items()])
            case list():
                is_row = not any(isinstance(inner, dict | list) for inner in value) and not _are_words(value)
                places = (f"[{number}]" if is_row else "[]" for number in range(len(value)))
                self._enter(path, "[]", [(path + place, inner) for place, inner in zip(places, value, strict=True)])
            case _:
                self.forms.setdefault(path, set()).add(form(value))

    def _named(self, path: str, name: str) -> str:
        return f"{path}{{}}" if path in self._maps else f"{path}.{name}" if path else name

    def _enter(self, path: str, kind: str, parts: list[tuple[str, Json]]) -> None:
        self.forms.setdefault(path, set()).add(kind)
        self.wholes[path] += bool(parts)
        self.within.update({place for place, _ in parts})
        for place, inner in parts:
            self.enter(place, inner)


def _are_words(values: Sequence[Json]) -> bool:
    """True for a list of names: its places mean nothing."""
    return all(form(value) in ('"WORD"', '"word"', '"Word"') for value in values)


def _parent(path: str) -> str:
    """Path of the object or list a path lies in."""
    return re.sub(r"(\[\d*\]|\{\}|\.[^.\[{]*|^[^.\[{]+)$", "", path)


def differences(recorded: Schema, lab: Schema) -> list[Difference]:
    """Where the lab's frames are not such as could have been recorded.

    A field the lab always tells and the venue sometimes is none; one the venue always tells and the lab does not is.
    An object in place of nothing, or of an empty list, is told by what is in it.
    """
    found = []
    for path in sorted(recorded.keys() | lab.keys()):
        theirs, ours = recorded.get(path), lab.get(path)
        if theirs is None or ours is None:
            if _parent(path) in recorded and _parent(path) in lab:
                found.append(Difference(path, _written(theirs), _written(ours)))
        elif theirs.forms != ours.forms or (theirs.is_always and not ours.is_always):
            found.append(Difference(path, _written(theirs), _written(ours)))
    return found


def _written(field: Field | None) -> str:
    """Forms of a field; "?" where it is not always there; "-" for no field."""
    return "-" if field is None else " ".join(sorted(field.forms)) + ("" if field.is_always else " ?")
