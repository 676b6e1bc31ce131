"""What a chart shows, independent of who draws it: the pictures (matplotlib) and the page (the viewer) take the same.

All positions are in the axes' own units (`axis_marks`); all words are ready to be set. Row i of the table belongs to
mark i.
"""

import enum

import msgspec

from perpscope.analytics.liquidation_figures import Span, Watch
from perpscope.reports.axis_marks import Axis, Range

LONG = "▼ long liquidated = forced selling"
SHORT = "▲ short liquidated = forced buying"


class Shape(enum.Enum):
    """How values become marks."""

    COLUMNS = "columns"  #: shorts above the line, longs below
    POINTS = "points"  #: ▲, ▼ and a line for both
    SIDES = "sides"  #: one bar for each side, to the right
    BOXES = "boxes"


class BoxMark(msgspec.Struct, frozen=True):
    """Five numbers and the largest value, as positions."""

    low: float
    q1: float
    median: float
    q3: float
    high: float
    top: float


class Table(msgspec.Struct, frozen=True):
    """The same as words."""

    head: list[str]
    rows: list[list[str]]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One of the twelve."""

    name: str  #: of the file, without ending
    group: str  #: trends, intensity or distribution
    title: str
    reading: str  #: how to read it, one sentence
    shape: Shape
    x: Axis
    y: Axis
    table: Table
    at: list[float] = []  #: x positions; for COLUMNS the edges, one more than values
    long: list[float | None] = []
    short: list[float | None] = []
    both: list[float | None] = []
    boxes: list[BoxMark] = []
    spreads: list[Range | None] = []  #: SIDES: long's and short's middle half; drawn as dots, not bars
    labels: list[str] = []  #: SIDES: beside the bars
    notes: list[str] = []  #: SIDES: below them
    level: float | None = None  #: a value worth a dashed line
    level_label: str = ""
    why_empty: str | None = None  #: in words, where there is nothing to draw


class Caption(msgspec.Struct, frozen=True):
    """What every chart of one analysis says beside its marks."""

    subject: str  #: symbol and instrument
    window: str
    events: int
    tag: str  #: OBSERVED, DEMO DATA or REPLAY
    from_ms: int
    to_ms: int
    spans: list[Span]
    watched: list[tuple[Watch, str]]  #: coverage in words, kind by kind
    footnote: str
