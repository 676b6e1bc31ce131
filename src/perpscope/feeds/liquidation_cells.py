"""What one cell says: a number, a moment, whose position it was.

Text comes in, values in perpscope's own units go out. What cannot be read is a `ValueError` with the value in it; what
could be read in two ways is an `Ambiguity`, which names the option that decides. Nothing is guessed.
"""

import enum
import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from perpscope.model.market import PositionSide

_SECOND_NS = 1_000_000_000
#: ns UTC of 2010 and 2100: no perpetual is older, and within these the digits of an epoch tell its unit.
_FIRST_NS, _END_NS = 1_262_304_000 * _SECOND_NS, 4_102_444_800 * _SECOND_NS
_LARGEST = 1e15  #: sizes, prices and dollars are below
_NOT_TOLD = frozenset({"", "none", "null", "nan", "n/a", "-", "0"})
_EPOCH = re.compile(r"([0-9]{9,19})(\.[0-9]+)?")
_ISO = re.compile(
    r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r" ?(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?", re.IGNORECASE)
#: Names of zones that appear in headers. IST is India's here: Israel's and Ireland's need `--time-zone`.
_ZONES: dict[str, tzinfo] = {
    "UTC": UTC,
    "GMT": UTC,
    "Z": UTC,
    "IST": timezone(timedelta(hours=5, minutes=30), "IST"),
}
_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC)


class Ambiguity(ValueError):
    """A cell that can be read in more than one way.

    Args:
        what: what is not known, with the value.
        option: what to give on the command line.
    """

    def __init__(self, what: str, option: str) -> None:
        super().__init__(what)
        self.option = option


class TimeUnit(enum.Enum):
    """How a moment is written: counted since 1970, or as a date."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"
    ISO = "iso"

    @property
    def ns(self) -> int:
        """Nanoseconds in one; 0 for dates."""
        return {"s": _SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1, "iso": 0}[self.value]


class SideMeaning(enum.Enum):
    """What BUY and SELL are said of."""

    ORDER = "order"
    POSITION = "position"


def number(text: str) -> float:
    """A number from 0 on; no digit grouping, no decimal comma.

    >>> number("0.5568800")
    0.55688
    """
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value < _LARGEST:
        raise ValueError(f"{text!r} is not a number from 0 to {_LARGEST:g}")
    return value


def told_number(text: str) -> float | None:
    """A number above 0, or None where the cell says that there is none."""
    return None if text.lower() in _NOT_TOLD else number(text) or None


def unit_of(text: str) -> TimeUnit:
    """How a moment is written, by its form and, for an epoch, its length.

    >>> unit_of("1718901133106").value, unit_of("2024-12-04 22:16:25+05:30").value
    ('ms', 'iso')
    """
    epoch = _EPOCH.fullmatch(text)
    if epoch is None:
        return TimeUnit.ISO
    whole = int(epoch[1])
    units = (TimeUnit.S, TimeUnit.MS, TimeUnit.US)
    return next((unit for unit in units if whole * unit.ns < _END_NS), TimeUnit.NS)


def moment(text: str, unit: TimeUnit | None, zone: tzinfo | None) -> int:
    """A moment as ns UTC.

    Args:
        text: epoch or date with time of day.
        unit: how it is written; None = whichever it is.
        zone: of a date that does not tell its own.

    Raises:
        Ambiguity: a date without a zone, and none given.
        ValueError: no moment from 2010 to 2100.

    >>> moment("2024-12-04 22:16:25.584000+05:30", None, None)
    1733330785584000000
    """
    found = unit_of(text)
    if unit is not None and (unit is TimeUnit.ISO) is not (found is TimeUnit.ISO):
        raise ValueError(f"time {text!r} is not written as {unit.value}")
    ns = _date(text, zone) if found is TimeUnit.ISO else _epoch(text, unit or found)
    if not _FIRST_NS <= ns < _END_NS:
        raise ValueError(f"time {text!r} is not between 2010 and 2100")
    return ns


def _epoch(text: str, unit: TimeUnit) -> int:
    return int(text) * unit.ns if text.isdigit() else int(Decimal(text) * unit.ns)


def _date(text: str, zone: tzinfo | None) -> int:
    matched = _ISO.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text!r} is not a time (epoch, or like 2024-12-04 22:16:25.584+05:30)")
    *clock, fraction, own_zone = matched.groups()
    try:
        local = datetime(*(int(part or 0) for part in clock))  # type: ignore[arg-type]  # noqa: DTZ001 -- six
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None
    known = zone if own_zone is None else zone_named(own_zone)
    if known is None:
        raise Ambiguity(f"time {text!r} has no time zone", "--time-zone UTC, +05:30 or Asia/Kolkata")
    offset = _offset(local, known)
    since = local.replace(tzinfo=UTC) - _EPOCH_DAY - offset
    return (since.days * 86_400 + since.seconds) * _SECOND_NS + int((fraction or "").ljust(9, "0"))


def _offset(local: datetime, zone: tzinfo) -> timedelta:
    """The zone's distance from UTC at a local time that happened exactly once."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    if first != second:
        what = "happened twice" if first > second else "never happened"
        raise ValueError(f"local time {local} {what} in {zone}")
    return first


def zone_named(name: str) -> tzinfo:
    """A time zone by the name given in a header, a value or an option.

    Raises:
        ValueError: no zone is called so.
    """
    if (known := _ZONES.get(name.upper())) is not None:
        return known
    if (matched := _OFFSET.fullmatch(name)) is not None:
        sign, hours, minutes = matched.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(-offset if sign == "-" else offset)  # refuses a day and more
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{name!r} is no time zone") from error


def position_side(text: str, meaning: SideMeaning | None) -> PositionSide:
    """Whose position was closed.

    Args:
        text: BUY or SELL, said of what `meaning` tells; or LONG or SHORT, which are always the position's.
        meaning: None = not known.

    Raises:
        Ambiguity: BUY or SELL of nobody knows what.
        ValueError: none of the four.
    """
    word = text.upper()
    if word in ("LONG", "SHORT"):
        return PositionSide(word)
    if word not in ("BUY", "SELL"):
        raise ValueError(f"side {text!r} is none of BUY, SELL, LONG, SHORT")
    if meaning is None:
        raise Ambiguity(f"side {text!r} may be the order's or the position's", "--side-means order or position")
    closes_long = (word == "SELL") is (meaning is SideMeaning.ORDER)
    return PositionSide.LONG if closes_long else PositionSide.SHORT
