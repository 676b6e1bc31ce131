"""What a store tells of an instrument's past, as the minutes that features are made of.

Each minute has the newest word of every source that had come by its close.
"""

from typing import Final

import numpy as np

from perpscope.analytics.features.told import MINUTE_NS, SOURCES, Stamps, Told, grid
from perpscope.analytics.margin_arrays import Floats
from perpscope.model.instrument import Instrument
from perpscope.stores.reader import SqliteReader

_EIGHT_H: Final = 8.0
_CANDLE: Final = ("ts_open", "open", "high", "low", "close", "volume", "taker_buy_volume", "ts_event")


def told_of(
    reader: SqliteReader, instrument: Instrument, since_ns: int, until_ns: int, lead: Instrument | None = None
) -> tuple[Told, Floats] | None:
    """Minutes of an instrument and their opening prices; None where the store has no candle of it.

    Args:
        reader: the store.
        instrument: whose.
        since_ns: ns UTC.
        until_ns: candles that close later are left out.
        lead: bitcoin's contract of the same venue; None for itself.
    """
    rows = reader.columns("candles_1m", _CANDLE, instrument, since_ns, until_ns=until_ns - MINUTE_NS + 1)
    if not len(rows):
        return None
    closes = rows.times("ts_open") + MINUTE_NS
    columns = {name: rows.figures(name) for name in ("high", "low", "close", "volume")}
    columns["taker_buy"] = rows.figures("taker_buy_volume")
    ages: dict[str, Floats] = {}
    _interest(reader, instrument, closes, columns, ages)
    _marks(reader, instrument, closes, columns, ages)
    _ratios(reader, instrument, closes, columns, ages)
    if lead is not None:
        theirs = reader.columns("candles_1m", ("ts_open", "close"), lead, since_ns, until_ns=until_ns)
        columns["lead_close"] = _same(theirs.times("ts_open") + MINUTE_NS, theirs.figures("close"), closes)
    told = grid(closes, columns, ages)
    opens = np.full(told.ts.size, np.nan)
    opens[(closes - closes[0]) // MINUTE_NS] = rows.figures("open")
    return told, opens


def _interest(
    reader: SqliteReader, instrument: Instrument, closes: Stamps, columns: dict[str, Floats], ages: dict[str, Floats]
) -> None:
    rows = reader.columns("open_interest", ("ts_minute", "open_interest", "ts_recv"), instrument, _day_before(closes))
    columns["open_interest"], ages["interest"] = _newest(rows.times("ts_recv"), rows.figures("open_interest"), closes)


def _marks(
    reader: SqliteReader, instrument: Instrument, closes: Stamps, columns: dict[str, Floats], ages: dict[str, Floats]
) -> None:
    """Prices and rates once a minute; the age is that of the minute's last word, up to a minute more than live."""
    names = ("ts_minute", "mark_price", "index_price", "funding_rate", "next_funding_time", "ts_recv")
    rows = reader.columns("premium_index", names, instrument, _day_before(closes))
    recv = rows.times("ts_recv")
    for name, column in (("mark", "mark_price"), ("index", "index_price"), ("funding", "funding_rate")):
        columns[name], age = _newest(recv, rows.figures(column), closes)
        ages["mark"] = np.maximum(age - 60.0, 0.0)
    hours = instrument.funding_interval_h or _EIGHT_H
    columns["funding"] *= _EIGHT_H / hours
    due, _ = _newest(recv, rows.figures("next_funding_time"), closes)
    columns["to_funding"] = np.maximum((due - closes) / MINUTE_NS, 0.0)
    paid = reader.columns("funding_rates", ("ts_event", "funding_rate"), instrument, _day_before(closes))
    columns["funding_paid"], ages["funding"] = _newest(paid.times("ts_event"), paid.figures("funding_rate"), closes)
    columns["funding_paid"] *= _EIGHT_H / hours


def _ratios(
    reader: SqliteReader, instrument: Instrument, closes: Stamps, columns: dict[str, Floats], ages: dict[str, Floats]
) -> None:
    for name, kind in (("top", "top_positions"), ("accounts", "all_accounts")):
        rows = reader.columns(
            "long_short_ratio", ("ts_event", "long_short_ratio", "ts_recv"), instrument, _day_before(closes), kind
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(rows.figures("long_short_ratio"))
        newest, age = _newest(rows.times("ts_event"), logs, closes)
        columns[name] = np.where(age <= SOURCES["ratio"], newest, np.nan)
        ages["ratio"] = np.fmin(age, ages.get("ratio", age))


def _day_before(closes: Stamps) -> int:
    return int(closes[0]) - 1440 * MINUTE_NS


def _newest(came: Stamps, values: Floats, asked: Stamps) -> tuple[Floats, Floats]:
    """The newest value that had come at each moment, and its age in seconds; NaN before the first."""
    if not came.size:
        return np.full(asked.size, np.nan), np.full(asked.size, np.nan)
    order = np.argsort(came, kind="stable")
    came, values = came[order], values[order]
    place = np.searchsorted(came, asked, "right") - 1
    found = np.where(place >= 0, values[np.maximum(place, 0)], np.nan)
    age = np.where(place >= 0, (asked - came[np.maximum(place, 0)]) / 1e9, np.nan)
    return found, age


def _same(came: Stamps, values: Floats, asked: Stamps) -> Floats:
    """The value of each very moment; NaN where there is none."""
    if not came.size:
        return np.full(asked.size, np.nan)
    place = np.minimum(np.searchsorted(came, asked), came.size - 1)
    found: Floats = np.where(came[place] == asked, values[place], np.nan)
    return found
