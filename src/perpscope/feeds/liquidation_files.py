"""Files of liquidations that others recorded, as events: which form a file has is found out by what is in it.

Known: Binance's forceOrder rows without a header, and any table whose header, or whose user, names its columns. The
first form that is recognised holds for the whole file; a row of another is a rejected row. A file is looked through
once before a row of it is handed out, so that a cut one gives nothing but its error.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from perpscope.errors import DataError
from perpscope.feeds.csv_table import CsvRecord, CsvTable
from perpscope.feeds.liquidation_cells import Ambiguity, TimeUnit, unit_of
from perpscope.feeds.liquidation_columns import (
    Meaning,
    Reading,
    SizeUnit,
    header_of,
    missing,
    places_named,
)
from perpscope.feeds.liquidation_rows import Layout, RowReader
from perpscope.model.instrument import Instrument
from perpscope.model.market import Liquidation
from perpscope.ports import Venue

#: What recorders of Binance's `!forceOrder@arr` keep: the order's fields in their order, then price × quantity.
FORCE_ORDER = Layout(
    "Binance forceOrder rows without a header",
    {
        Meaning.SYMBOL: 0,
        Meaning.SIDE: 1,
        Meaning.SIZE: 4,
        Meaning.PRICE: 5,
        Meaning.FILL_PRICE: 6,
        Meaning.STATUS: 7,
        Meaning.FILLED: 9,
        Meaning.TIME: 10,
    },
    width=12,
    time_unit=TimeUnit.MS,
)
_FORCE_ORDER_VENUE = "binance"
_WORD = re.compile(r"[A-Z_]{2,20}")
_MILLIS = re.compile(r"[0-9]{13}")
#: Tables that look like liquidations and are none, by their header.
_NO_LIQUIDATIONS = {
    frozenset({"s", "liq_amount", "S", "q", "funding_rate", "time"}): (
        "bucketed sums, not liquidations: each row adds up q orders of a symbol, on both sides, until they pass 30,000 "
        "dollars; there is no price, and the time is the recorder's"
    ),
    frozenset({"time", "user", "liquidated_ntl_pos", "liquidated_account_value", "leverage_type"}): (
        "liquidated accounts, not liquidations: a row tells an account's whole position in dollars, and neither coin, "
        "side nor price"
    ),
}


class Rejected(msgspec.Struct, frozen=True):
    """A row that is no liquidation, and why."""

    line: int  #: from 1
    reason: str


class Found(msgspec.Struct, frozen=True):
    """A row that is one."""

    instrument: Instrument
    liquidation: Liquidation


class LiquidationFile:
    """A file whose form is known and which is whole.

    Args:
        path: plain, gzip or zstd.
        reading: what the user says about it.
        venue: whose liquidations these are.

    Raises:
        DataError: "import-missing", "import-form", "import-columns" or "import-ambiguous".
    """

    def __init__(self, path: Path, reading: Reading, venue: Venue) -> None:
        self.path = path
        self._table = CsvTable(path)
        self._reading = reading
        self._venue = venue
        self.layout = self._recognise()
        self._rows = RowReader(self.layout, reading, venue)
        self._first = self._look_through()

    def rows(self) -> Iterator[Found | Rejected]:
        """Every row but the header, in order.

        Raises:
            DataError: "import-form": the file has changed since it was looked through.
        """
        for record in self._table.records():
            if not self._is_header(record):
                yield self._read(record)

    @cached_property
    def findings(self) -> list[str]:
        """How the file is read, in a few lines for people."""
        layout, first, reading = self.layout, self._first, self._reading
        columns = ", ".join(f"{meaning.value} ← {self._column(at)}" for meaning, at in layout.places.items())
        unit = unit_of(first.cells[layout.places[Meaning.TIME]])
        written = "as dates" if unit is TimeUnit.ISO else f"since 1970 in {unit.value}"
        zone = "" if unit is not TimeUnit.ISO else f", in the zone of each value, else {self._rows.zone or 'none'}"
        sides = f"BUY and SELL are the {self._rows.side_means.value}'s" if self._rows.side_means else "LONG or SHORT"
        size = (reading.size_unit or SizeUnit.BASE).value
        return [
            layout.name,
            columns,
            f"times {written}{zone}, stored in UTC; {sides}; sizes in {size} units; bare symbols + {reading.quote}",
            f"prices: {self._prices()}; receipt time = event time; sampled, coverage unknown",
        ]

    def _prices(self) -> str:
        places = self.layout.places
        if Meaning.FILL_PRICE in places:
            own = Meaning.PRICE in places and Meaning.BANKRUPTCY_PRICE not in places
            return "the average is the fill price, the order's own the bankruptcy price" if own else "as named"
        if Meaning.PRICE in places:
            return f"the one price is taken for the {self._reading.price_means.value} price (--price-means)"
        return "as named"

    def _column(self, at: int) -> str:
        return repr(self.layout.header.cells[at]) if self.layout.header else f"column {at + 1}"

    def _recognise(self) -> Layout:
        """The form of the first line that has one.

        Raises:
            DataError: there is none, or it lacks something.
        """
        columns = self._reading.columns
        if (places := places_named(columns)) is not None:
            return self._complete(Layout("columns as named", places))
        first: CsvRecord | None = None
        for record in self._table.records():
            first = first or record
            if not columns and self._is_force_order(record.cells):
                return FORCE_ORDER
            if (why := _NO_LIQUIDATIONS.get(frozenset(record.cells))) is not None and not columns:
                raise self._table.not_a_table(why, "there is nothing in it that can be stored as a liquidation")
            header = header_of(record.cells, columns)
            if header is not None:
                return self._complete(Layout("a table with a header", header.places, len(record.cells), header))
        raise self._unknown(first)

    def _complete(self, layout: Layout) -> Layout:
        lacking = missing(layout.places, self._reading)
        if lacking:
            there = "" if layout.header is None else f" (it has {', '.join(layout.header.cells)[:200]})"
            raise DataError(
                "import-columns",
                f"{str(self.path)!r} has no column for {' and '.join(lacking)}{there}",
                hint=f"name it: --columns {','.join(f'{name}=COLUMN' for name in lacking)}",
            )
        return layout

    def _unknown(self, first: CsvRecord | None) -> DataError:
        if self._reading.columns:
            return DataError(
                "import-columns",
                f"{str(self.path)!r} has no header with all of {', '.join(self._reading.columns.values())}",
                hint="give the names as they stand in the header, or places from 1 where there is none",
            )
        if (why := self._table.other_form()) is not None:
            return self._table.not_a_table(*why)
        line = (first.fault or ",".join(first.cells)) if first else ""
        return self._table.not_a_table(
            f"neither a header nor a forceOrder row of {_FORCE_ORDER_VENUE} in it; it begins with {line[:60]!r}",
            "name the columns: --columns time=…,symbol=…,side=…,size=…,price=…",
        )

    def _is_force_order(self, cells: list[str]) -> bool:
        return (
            self._venue.name == _FORCE_ORDER_VENUE
            and len(cells) == FORCE_ORDER.width
            and cells[1] in ("BUY", "SELL")
            and all(_WORD.fullmatch(cells[at]) for at in (2, 3, 7))
            and _MILLIS.fullmatch(cells[10]) is not None
        )

    def _look_through(self) -> CsvRecord:
        """Read up to the first good row, then on to the end of the file; returns that row.

        Raises:
            DataError: not one row is good, or the file is cut short.
        """
        good: CsvRecord | None = None
        worst: tuple[int, ValueError] | None = None
        count = 0
        for record in self._table.records():
            if good is not None or self._is_header(record):
                continue
            count += 1
            try:
                self._liquidation(record)
                good = record
            except ValueError as error:
                if worst is None or (isinstance(error, Ambiguity) and not isinstance(worst[1], Ambiguity)):
                    worst = record.number, error
        if good is None:
            raise self._hopeless(count, worst)
        return good

    def _hopeless(self, count: int, worst: tuple[int, ValueError] | None) -> DataError:
        if worst is None:
            return self._table.not_a_table("a header and no rows")
        line, why = worst
        if isinstance(why, Ambiguity):
            message = f"{str(self.path)!r}, line {line}: {why}"
            return DataError("import-ambiguous", message, hint=f"say which: {why.option}")
        return self._table.not_a_table(f"not one of its {count:,} rows is a liquidation; line {line}: {why}")

    def _is_header(self, record: CsvRecord) -> bool:
        """True for the header, also where files were joined and it stands there again."""
        return self.layout.header is not None and record.cells == self.layout.header.cells

    def _read(self, record: CsvRecord) -> Found | Rejected:
        try:
            return Found(*self._liquidation(record))
        except ValueError as error:
            return Rejected(record.number, self._reason(record.cells, error))

    def _liquidation(self, record: CsvRecord) -> tuple[Instrument, Liquidation]:
        if record.fault is not None:
            raise ValueError(record.fault)
        return self._rows.read(record.cells)

    def _reason(self, cells: list[str], error: ValueError) -> str:
        """Why a row was rejected; if it is a row of another form, that is why."""
        if self.layout is not FORCE_ORDER and self._is_force_order(cells):
            other = FORCE_ORDER.name
        elif header_of(cells, {}) is not None:
            other = "a table with a header"
        elif self.layout is FORCE_ORDER and len(cells) == FORCE_ORDER.width and _WORD.fullmatch(cells[7]):
            if _MILLIS.fullmatch(cells[10]):
                return str(error)
            other = "times that are not milliseconds"
        else:
            return str(error)
        return f"of another layout ({other}) than the rows before it: {error}"
