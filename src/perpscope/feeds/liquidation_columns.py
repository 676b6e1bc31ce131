"""Which column of a table of liquidations means what.

A header comes in and places of cells go out, found by the names exporters use or by those given on the command line.
The meanings are those of a forced order: what was ordered and what was filled, at which limit and which average.
"""

import enum
import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo

import msgspec

from perpscope.errors import ConfigError
from perpscope.feeds.liquidation_cells import SideMeaning, TimeUnit, zone_named


class Meaning(enum.Enum):
    """What a column tells."""

    TIME = "time"
    SYMBOL = "symbol"
    SIDE = "side"  #: BUY or SELL, of whom `SideMeaning` says
    POSITION_SIDE = "position_side"
    FILLED = "filled"  #: size that was filled
    SIZE = "size"  #: size that was ordered, or simply the size
    AMOUNT = "amount"  #: size in a unit the name does not tell
    NOTIONAL = "notional"  #: dollars
    PRICE = "price"  #: with a fill price beside it the order's limit, which is the bankruptcy price
    FILL_PRICE = "fill_price"
    BANKRUPTCY_PRICE = "bankruptcy_price"
    STATUS = "status"
    VENUE = "venue"


class SizeUnit(enum.Enum):
    """What a size counts."""

    BASE = "base"
    USD = "usd"
    CONTRACTS = "contracts"


class PriceMeaning(enum.Enum):
    """Which price a single price column holds."""

    FILL = "fill"
    BANKRUPTCY = "bankruptcy"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How files are to be read, as far as the user says; None = by what the file says."""

    columns: Mapping[Meaning, str] = {}  #: names in the header; or all of them places, from 1, where there is none
    symbol: str | None = None  #: of every row, where no column tells
    quote: str = "USDT"  #: of symbols that do not name theirs
    time_zone: tzinfo | None = None
    time_unit: TimeUnit | None = None
    side_means: SideMeaning | None = None
    size_unit: SizeUnit | None = None
    contract_size: float | None = None  #: base units per contract
    price_means: PriceMeaning = PriceMeaning.FILL


class Header(msgspec.Struct, frozen=True):
    """A header that was understood."""

    cells: list[str]
    places: Mapping[Meaning, int]  #: from 0
    zone: tzinfo | None = None  #: named in the header of the time column


#: The names each meaning goes by, best first; in lower case, words apart.
_NAMES: dict[Meaning, tuple[str, ...]] = {
    meaning: tuple(names.split(", "))
    for meaning, names in {
        Meaning.TIME: "ts event, trade time, transaction time, liquidation time, event time, timestamp, time, "
        "datetime, date time, ts, updated time, created time, created at",
        Meaning.SYMBOL: "symbol, instrument, market, contract, pair, ticker, coin",
        Meaning.POSITION_SIDE: "position side, pos side, position",
        Meaning.SIDE: "side, order side, direction",
        Meaning.FILLED: "filled quantity, filled qty, filled size, accumulated fill quantity, "
        "cumulative filled quantity, executed qty, executed quantity",
        Meaning.SIZE: "size, quantity, qty, original quantity, orig qty, order quantity, base quantity",
        Meaning.AMOUNT: "amount, volume, vol",
        Meaning.NOTIONAL: "notional usd, notional, usd, amount usd, size usd, volume usd, value usd, usd value, "
        "quote quantity, quote qty",
        Meaning.FILL_PRICE: "fill price, average price, avg price, average fill price, executed price",
        Meaning.BANKRUPTCY_PRICE: "bankruptcy price, bkpx, bk px, bankrupt price",
        Meaning.PRICE: "price, order price, liquidation price, liq price, px",
        Meaning.STATUS: "order status, status",
        Meaning.VENUE: "venue, exchange",
    }.items()
}
#: The letters of Binance's own forceOrder message, where a header consists of them.
_LETTERS: dict[str, Meaning] = {
    "T": Meaning.TIME,
    "s": Meaning.SYMBOL,
    "S": Meaning.SIDE,
    "z": Meaning.FILLED,
    "q": Meaning.SIZE,
    "ap": Meaning.FILL_PRICE,
    "p": Meaning.BANKRUPTCY_PRICE,
    "X": Meaning.STATUS,
}
_SEES_A_HEADER = 3  #: so many names that are known make a line a header
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOTE = re.compile(r"[(\[]([^)\]]*)[)\]]\s*$")
_ENDS_IN_ZONE = re.compile(r" (utc|gmt|ist)$")
_ENDS_IN_UNIT = re.compile(r" (s|sec|seconds|ms|us|ns)$")
_SIZES = (Meaning.FILLED, Meaning.SIZE, Meaning.AMOUNT)
_PRICES = (Meaning.FILL_PRICE, Meaning.BANKRUPTCY_PRICE, Meaning.PRICE)
#: Where one of these is named by the user, the others are no longer looked for.
_KIN = (_SIZES, _PRICES, (Meaning.SIDE, Meaning.POSITION_SIDE))
#: Meanings that may be named on the command line.
NAMEABLE = tuple(m.value for m in Meaning if m not in (Meaning.FILLED, Meaning.AMOUNT))


def columns_named(text: str) -> dict[Meaning, str]:
    """Read `time=When,symbol=Coin,…`.

    Raises:
        ConfigError: "option-value".
    """
    named: dict[Meaning, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        meaning, _, column = (word.strip() for word in part.partition("="))
        if meaning not in NAMEABLE or not column:
            raise ConfigError(
                "option-value",
                f"--columns {part!r} is not of the form MEANING=COLUMN",
                hint=f"meanings: {', '.join(NAMEABLE)}",
            )
        named[Meaning(meaning)] = column
    return named


def places_named(columns: Mapping[Meaning, str]) -> dict[Meaning, int] | None:
    """Places from 0 where every column was named by its place from 1; else None: they are names in a header."""
    if columns and all(column.isdecimal() and int(column) > 0 for column in columns.values()):
        return {meaning: int(column) - 1 for meaning, column in columns.items()}
    return None


def header_of(cells: Sequence[str], columns: Mapping[Meaning, str]) -> Header | None:
    """Understand a line as a header; None if it is none.

    Args:
        cells: of the line.
        columns: names given by the user, which win over those known here.
    """
    if any(_is_number(cell) for cell in cells) or not set(columns.values()) <= set(cells):
        return None
    words = [_words(cell) for cell in cells]
    places = _lettered(cells) or _known(words)
    for meaning, column in columns.items():
        at = cells.index(column)
        kin = next((kin for kin in _KIN if meaning in kin), ())
        places = {m: place for m, place in places.items() if place != at and (m not in kin or m in columns)}
        places[meaning] = at
    if not columns and len(places) < _SEES_A_HEADER:
        return None
    return Header(list(cells), places, _zone(cells[places[Meaning.TIME]]) if Meaning.TIME in places else None)


def missing(places: Mapping[Meaning, int], reading: Reading) -> list[str]:
    """What a table must tell and does not."""
    needed: dict[str, tuple[Meaning, ...]] = {
        "time": (Meaning.TIME,),
        "symbol": (Meaning.SYMBOL,),
        "side": (Meaning.SIDE, Meaning.POSITION_SIDE),
        "size": (*_SIZES, Meaning.NOTIONAL),
        "price": _PRICES,
    }
    if reading.symbol is not None:
        del needed["symbol"]
    return [name for name, any_of in needed.items() if not any(meaning in places for meaning in any_of)]


def _known(words: Sequence[str]) -> dict[Meaning, int]:
    """The best column of each meaning."""
    found = {}
    for meaning, names in _NAMES.items():
        at = next((words.index(name) for name in names if name in words), None)
        if at is not None:
            found[meaning] = at
    return found


def _lettered(cells: Sequence[str]) -> dict[Meaning, int]:
    """Places of the message's own letters, if there are enough to make a liquidation."""
    found = {_LETTERS[cell]: at for at, cell in enumerate(cells) if cell in _LETTERS}
    return found if {Meaning.TIME, Meaning.SYMBOL, Meaning.SIDE} <= set(found) else {}


def _words(cell: str) -> str:
    """A column's name without case, punctuation, zone and unit of time: `Trade Time (IST)` → `trade time`."""
    name = _CAMEL.sub(" ", _NOTE.sub("", cell.strip()))
    name = " ".join(re.split(r"[\s_.\-]+", name.strip().lower()))
    return _ENDS_IN_UNIT.sub("", _ENDS_IN_ZONE.sub("", name))


def _zone(cell: str) -> tzinfo | None:
    """The time zone a column's name ends with: `(IST)`, `(UTC+5:30)`, `time_utc`."""
    noted = _NOTE.search(cell)
    ending = _ENDS_IN_ZONE.search(cell.replace("_", " ").lower())
    if not (noted or ending):
        return None
    try:
        return zone_named((noted or ending or [""])[1].strip())
    except ValueError:
        return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
