"""From the cells of one row to the liquidation they tell of.

A `Layout` says where things stand, the `Reading` how the user wants them read. A row that cannot be read is a
`ValueError` with the reason; nothing is filled in. Sides, units and prices become perpscope's own here.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo

import msgspec

from perpscope.feeds.liquidation_cells import (
    Ambiguity,
    SideMeaning,
    TimeUnit,
    moment,
    number,
    position_side,
    told_number,
)
from perpscope.feeds.liquidation_columns import Header, Meaning, PriceMeaning, Reading, SizeUnit
from perpscope.model.instrument import Instrument
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.ports import Venue

#: Venues whose feed tells the side of the order, so that their files do too unless somebody says otherwise.
_TELLS_ORDER_SIDE = frozenset({"binance"})
_EXECUTED = frozenset({"FILLED", "PARTIALLY_FILLED"})
_LONGEST_QUOTED = 40
_MOST_SYMBOLS = 100_000
#: A quote of one letter is also how many coins end (XAU, in `XAUUSDT`): it counts only where it was asked for.
_SHORTEST_QUOTE = 3


class Layout(msgspec.Struct, frozen=True):
    """Where the cells of a table's rows stand."""

    name: str
    places: Mapping[Meaning, int]  #: from 0
    width: int | None = None  #: cells in each row; None = at least those named
    header: Header | None = None
    time_unit: TimeUnit | None = None  #: where the form is known to have but one


class RowReader:
    """Reads the rows of one file.

    Args:
        layout: where things stand.
        reading: how the user wants them read.
        venue: whose symbols these are.
    """

    def __init__(self, layout: Layout, reading: Reading, venue: Venue) -> None:
        self._places = layout.places
        self._width = layout.width
        self._least = 1 + max(layout.places.values())
        self._reading = reading
        self._venue = venue
        self._time_unit = layout.time_unit or reading.time_unit
        self.zone: tzinfo | None = reading.time_zone or (layout.header.zone if layout.header else None)
        self.side_means = reading.side_means or (SideMeaning.ORDER if venue.name in _TELLS_ORDER_SIDE else None)
        self._instruments: dict[str, Instrument] = {}

    def read(self, cells: Sequence[str]) -> tuple[Instrument, Liquidation]:
        """The liquidation of one row, received when it happened, as far as anybody knows.

        Raises:
            Ambiguity: it can be read in more than one way.
            ValueError: it cannot be read.
        """
        if len(cells) != (self._width or len(cells)) or len(cells) < self._least:
            raise ValueError(f"{len(cells)} cells where there should be {self._width or self._least}")
        self._refuse_others(cells)
        instrument = self._instrument(cells)
        ts_event = moment(cells[self._places[Meaning.TIME]], self._time_unit, self.zone)
        side = self._side(cells)
        fill_price, bankruptcy_price = self._prices(cells)
        price = fill_price or bankruptcy_price
        if price is None:
            raise ValueError("no price")
        size = self._size(cells, price)
        if not size > 0:
            raise ValueError("no size")
        completeness, sampling = Completeness.SAMPLED, Sampling.UNKNOWN
        liquidation = Liquidation(
            instrument.id, ts_event, ts_event, side, size, fill_price, bankruptcy_price, completeness, sampling
        )
        return instrument, liquidation

    def _cell(self, cells: Sequence[str], meaning: Meaning) -> str | None:
        at = self._places.get(meaning)
        return None if at is None else cells[at]

    def _refuse_others(self, cells: Sequence[str]) -> None:
        """Refuse an order that did not execute, and a row of another venue."""
        status = self._cell(cells, Meaning.STATUS)
        if status is not None and status.upper() not in _EXECUTED:
            raise ValueError(f"status {_quoted(status)}: not executed")
        venue = self._cell(cells, Meaning.VENUE)
        if venue is not None and venue.lower() != self._venue.name:
            raise ValueError(f"venue {_quoted(venue)} is not {self._venue.name}: give its rows with --venue")

    def _instrument(self, cells: Sequence[str]) -> Instrument:
        symbol = self._cell(cells, Meaning.SYMBOL) or self._reading.symbol or ""
        known = self._instruments.get(symbol)
        if known is None:
            known = self._named(symbol)
            if len(self._instruments) < _MOST_SYMBOLS:
                self._instruments[symbol] = known
        return known

    def _named(self, symbol: str) -> Instrument:
        """A whole symbol as it is, one that does not name its quote with the quote given.

        Raises:
            ValueError: it is none of the venue's either way.
        """
        quote = self._reading.quote.upper()
        whole = self._venue.instrument_named(symbol)
        if whole is not None and (len(whole.quote) >= _SHORTEST_QUOTE or whole.quote == quote):
            return whole
        pair, mark, expiry = symbol.partition("_")
        completed = self._venue.instrument_named(f"{pair}{quote}{mark}{expiry}")
        if completed is None or pair.upper().endswith("USD"):  # BTCUSD: settled in the coin, counted in contracts
            raise ValueError(f"symbol {_quoted(symbol)} is none of {self._venue.name}'s linear contracts")
        return completed

    def _side(self, cells: Sequence[str]) -> PositionSide:
        told = self._cell(cells, Meaning.POSITION_SIDE)
        if told is not None:
            return position_side(told, SideMeaning.POSITION)
        return position_side(self._cell(cells, Meaning.SIDE) or "", self.side_means)

    def _prices(self, cells: Sequence[str]) -> tuple[float | None, float | None]:
        """Fill and bankruptcy price. Beside a fill price, a plain price is the order's limit."""
        fill, bankruptcy, plain = (
            told_number(self._cell(cells, meaning) or "")
            for meaning in (Meaning.FILL_PRICE, Meaning.BANKRUPTCY_PRICE, Meaning.PRICE)
        )
        if Meaning.FILL_PRICE in self._places:
            return fill, bankruptcy if Meaning.BANKRUPTCY_PRICE in self._places else plain
        if self._reading.price_means is PriceMeaning.BANKRUPTCY:
            return None, bankruptcy or plain
        return plain, bankruptcy

    def _size(self, cells: Sequence[str], price: float) -> float:
        """Base units: what was filled if that is told, else what was ordered, else dollars over the price."""
        for meaning in (Meaning.FILLED, Meaning.SIZE, Meaning.AMOUNT):
            size = told_number(self._cell(cells, meaning) or "")
            if size is not None:
                return self._in_base(size, price, meaning)
        if self._places.keys() & {Meaning.FILLED, Meaning.SIZE, Meaning.AMOUNT}:
            return 0.0
        return number(self._cell(cells, Meaning.NOTIONAL) or "") / price

    def _in_base(self, size: float, price: float, meaning: Meaning) -> float:
        unit = self._reading.size_unit
        if unit is None and meaning is Meaning.AMOUNT:
            raise Ambiguity(f"amount {size:g} may be base units or dollars", "--size-unit base, usd or contracts")
        if unit is SizeUnit.USD:
            return size / price
        if unit is SizeUnit.CONTRACTS:
            if self._reading.contract_size is None:
                raise Ambiguity(f"{size:g} contracts of unknown size", "--contract-size N, base units in a contract")
            return size * self._reading.contract_size
        return size


def _quoted(text: str) -> str:
    """A value as an error shows it, cut to a readable length."""
    return repr(text if len(text) <= _LONGEST_QUOTED else text[: _LONGEST_QUOTED - 1] + "…")
