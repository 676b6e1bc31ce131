"""The lab's frames held against recorded ones: the same fields, types and forms, or a reason in docs/lab-frames.md.

`-s` prints the difference for every file and kind.
"""

import functools
import re
from collections.abc import Iterator
from fnmatch import translate
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.unit import lab_frames
from tests.unit.fields_elsewhere import elsewhere
from tests.unit.frame_schema import Difference, Field, Json, Schema, differences, form, schema
from tests.unit.recorded_frames import recorded

pytestmark = pytest.mark.unmeasured

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab-frames.md"
_MAPS = {"hyperliquid ws allMids": ("data.mids",)}
VENUES = ("binance", "bybit", "okx", "bitget", "hyperliquid")


class Reason(NamedTuple):
    """A row of the page: where a difference may be, and why."""

    kind: str
    fields: tuple[str, ...]
    recorded: str
    lab: str
    why: str

    def explains(self, kind: str, found: Difference) -> bool:
        """True for a difference it is about."""
        told = ((self.kind, kind), (self.recorded, found.recorded), (self.lab, found.lab))
        return all(_is_like(*pair) for pair in told) and any(_is_like(field, found.path) for field in self.fields)


def _is_like(pattern: str, text: str) -> bool:
    """`*` alone stands for anything: brackets are names here."""
    return re.fullmatch(translate(pattern.replace("[", "[[]").replace("?", "[?]")), text) is not None


@functools.cache
def _table(heading: str) -> list[list[str]]:
    """Rows of the page's table under a heading, without its head."""
    section = _PAGE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


@functools.cache
def _reasons() -> list[Reason]:
    return [Reason(row[0], tuple(row[1].split(", ")), *row[2:]) for row in _table("What differs, and why")]


def _schemas(folder: Path, venue: str) -> Iterator[tuple[str, str, Schema]]:
    """Kind, source and schema of everything of a venue at hand."""
    for kind, source, frames in recorded(folder):
        if kind.startswith(f"{venue} "):
            yield kind, f"{source}, {len(frames)} frames", schema(frames, _MAPS.get(kind, ()))
    yield from (row for row in elsewhere() if row[0].startswith(f"{venue} "))


def _lab(kind: str) -> Schema | None:
    frames = lab_frames.frames(kind)
    return None if frames is None else schema(frames, _MAPS.get(kind, ()))


@pytest.mark.parametrize("venue", VENUES)
def test_every_difference_from_recorded_frames_has_its_reason(recordings: Path, venue: str) -> None:
    """A client that reads the venue reads the lab: no field missing, added or written otherwise unsaid. Keeps B13.

    Every recorded kind is compared or named as left out; no reason stands on the page in vain.
    """
    ours = functools.cache(_lab)
    idle = {reason for reason in _reasons() if reason.kind.startswith(f"{venue} ")}
    untold, unexplained, compared = set(), [], 0
    for kind, source, theirs in _schemas(recordings, venue):
        if (told := ours(kind)) is None:
            untold.add(kind)
            continue
        compared += 1
        found = differences(theirs, told)
        print(f"\n{kind}: {source}: {len(found) or 'no'} differences", end="")
        for one in found:
            reasons = [reason for reason in _reasons() if reason.explains(kind, one)]
            idle.difference_update(reasons)
            print(f"\n    {one}: {reasons[0].why if reasons else 'NO REASON'}", end="")
            if not reasons:
                unexplained.append(f"{kind} [{source}] {one}")
    assert compared
    assert unexplained == []
    assert idle == set()
    assert untold == {row[0] for row in _table("What is not compared") if row[0].startswith(f"{venue} ")}


def test_every_reason_is_about_a_venue() -> None:
    """No row of the page is looked at by nobody."""
    rows = [*_table("What differs, and why"), *_table("What is not compared")]
    assert rows
    assert {row[0].split(maxsplit=1)[0] for row in rows} <= set(VENUES)


# the measure itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "bool"),
        (7, "int"),
        (1_786_171_884_624, "time"),
        (5_171_884_624_123, "int"),
        (0.5, "number"),
        ("", '""'),
        ("1786171884624", '"time"'),
        ("-0.00001", '"figure"'),
        ("20f43950-d8dd-5b31-9112-a178eb6023af", '"uuid"'),
        ("0x00ff", '"0x"'),
        ("SELL", '"WORD"'),
        ("sell", '"word"'),
        ("Sell", '"Word"'),
    ],
    ids=repr,
)
def test_forms_tell_what_a_reader_must_know(value: Json, expected: str) -> None:
    """A text of figures is no number, a time no id, and `Sell` not `SELL`."""
    assert form(value) == expected


def test_a_schema_has_every_path_and_whether_it_is_always_there() -> None:
    """Rows by place, lists by what is in them, names that are data as one field; half of the frames have `x`."""
    frames = [{"a": [["1", 2], ["1.5", 3]], "m": {"BTC": "1"}}, {"a": [], "x": ["LIMIT", "MARKET"], "m": {"ETH": "2"}}]
    found = {path: (" ".join(sorted(field.forms)), field.is_always) for path, field in schema(frames, ("m",)).items()}
    assert found == {
        "": ("{}", True),
        "a": ("[]", True),
        "a[]": ("[]", True),
        "a[][0]": ('"figure"', True),
        "a[][1]": ("int", True),
        "m": ("{}", True),
        "m{}": ('"figure"', True),
        "x": ("[]", False),
        "x[]": ('"WORD"', True),
    }


def test_what_differs_is_found_and_what_is_only_rarer_is_not() -> None:
    """Missing, added, of another type, not always told: four differences; told always instead of sometimes: none."""
    theirs = schema(
        [{"gone": 1, "type": "1", "always": 1, "some": 1, "in": {"x": 1}}, {"gone": 1, "type": "1", "always": 1}]
    )
    ours = schema([{"new": 1, "type": 1, "always": 1, "some": 1}, {"new": 1, "type": 1, "some": 1}])
    assert [str(one) for one in differences(theirs, ours)] == [
        "always: recorded int, lab int ?",
        "gone: recorded int, lab -",
        "in: recorded {} ?, lab -",
        "new: recorded -, lab int",
        'type: recorded "figure", lab int',
    ]


def test_an_empty_schema_differs_in_everything() -> None:
    """The measure does not pass because nothing was measured."""
    ours = {"": Field(frozenset({"{}"}), True), "a": Field(frozenset({"int"}), True)}
    theirs = {"": Field(frozenset({"{}"}), True)}
    assert differences(theirs, ours) == [Difference("a", "-", "int")]
