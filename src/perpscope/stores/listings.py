"""What venues list, version by version: instruments as the catalogue had them, and their margin tiers.

A word that is already in force at its moment adds nothing, so a catalogue may be told as often as it is fetched. Of two
words about one moment the later one stays. `instruments` holds the newest version of each.
"""

import sqlite3
from decimal import Decimal

import msgspec

from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import ContractUpdate
from perpscope.stores.rows import Batch, Row, text_of

STREAMED = "stream"  #: source of tiers that a `ContractUpdate` tells

_COLUMNS = """id, venue, symbol, base, quote, expiry, contract, coin, multiplier, tick_size, step_size, contract_size,
    min_notional, funding_interval_h, max_leverage, is_trading, is_crypto"""
_IS_TRADING = 15  # place of the column
_IN_FORCE = f"""
SELECT ts_from, {_COLUMNS} FROM instrument_versions
WHERE id = ? AND ts_from <= ? ORDER BY ts_from DESC LIMIT 1
"""  # noqa: S608 -- ours
_KEEP_VERSION = f"""
REPLACE INTO instrument_versions (ts_from, {_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 -- ours
_KEEP_NEWEST = f"""
REPLACE INTO instruments ({_COLUMNS})
SELECT {_COLUMNS} FROM instrument_versions WHERE id = ? ORDER BY ts_from DESC LIMIT 1
"""  # noqa: S608 -- ours
_EVER = 2**63 - 1

_TIERS_IN_FORCE = """
SELECT floor, cap, mmr, max_leverage, deduction, basis FROM margin_tiers
WHERE instrument = ?1 AND source = ?2 AND ts_from = (
    SELECT max(ts_from) FROM margin_tiers WHERE instrument = ?1 AND source = ?2 AND ts_from <= ?3)
ORDER BY tier
"""
_DROP_TIERS = "DELETE FROM margin_tiers WHERE instrument = ? AND source = ? AND ts_from = ?"
_KEEP_TIER = """
INSERT INTO margin_tiers (venue, symbol, instrument, timestamp, source, ts_from, tier, floor, cap, mmr, max_leverage,
    deduction, basis)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class TierVersion(msgspec.Struct, frozen=True):
    """Margin tiers of an instrument, as one source told them."""

    instrument: InstrumentId
    source: str  #: who says so
    ts_from: int  #: ns UTC; they hold until the next version of the same source
    tiers: tuple[MarginTier, ...]  #: lowest first


class InstrumentVersion(msgspec.Struct, frozen=True):
    """An instrument as it was from a moment on."""

    ts_from: int  #: ns UTC; it holds until the next version; 0 = since nobody knows when
    instrument: Instrument


def write_listings(connection: sqlite3.Connection, batch: Batch) -> None:
    """Keep what a batch tells of instruments and tiers, within the caller's transaction."""
    for (_, ts_from), instrument in batch.instruments.items():
        _keep_version(connection, _instrument_row(instrument), ts_from)
    for event in batch.contracts:
        _keep_trading(connection, event)
    for (instrument_id, source, ts_from), (venue, symbol, tiers) in batch.tiers.items():
        _keep_tiers(connection, TierVersion(instrument_id, source, ts_from, tiers), venue, symbol)


def _keep_version(connection: sqlite3.Connection, row: Row, ts_from: int | None) -> None:
    """Add a version if it says anything new; one of unknown time corrects the newest there is."""
    found = connection.execute(_IN_FORCE, (row[0], _EVER if ts_from is None else ts_from)).fetchone()
    if found is not None and found[1:] == row:
        return
    since = ts_from if ts_from is not None else 0 if found is None else found[0]
    connection.execute(_KEEP_VERSION, (since, *row))
    connection.execute(_KEEP_NEWEST, (row[0],))


def _keep_trading(connection: sqlite3.Connection, event: ContractUpdate) -> None:
    """A contract was listed or halted: what is known of it stays. One the catalogue never had is passed over."""
    found = connection.execute(_IN_FORCE, (event.instrument, event.ts_event)).fetchone()
    if found is None:
        return
    row = found[1:]
    _keep_version(connection, (*row[:_IS_TRADING], int(event.is_trading), *row[_IS_TRADING + 1 :]), event.ts_event)


def _keep_tiers(connection: sqlite3.Connection, version: TierVersion, venue: str, symbol: str) -> None:
    key = (version.instrument, version.source, version.ts_from)
    rows = [(t.floor, t.cap, t.mmr, t.max_leverage, t.deduction, t.basis.value) for t in version.tiers]
    if connection.execute(_TIERS_IN_FORCE, key).fetchall() == rows:
        return
    connection.execute(_DROP_TIERS, key)
    since = (venue, symbol, version.instrument, text_of(version.ts_from), version.source, version.ts_from)
    connection.executemany(_KEEP_TIER, [(*since, place, *row) for place, row in enumerate(rows, 1)])


def _instrument_row(instrument: Instrument) -> Row:
    """Row of `instruments`."""
    return (
        instrument.id,
        instrument.venue,
        instrument.symbol,
        instrument.base,
        instrument.quote,
        instrument.expiry,
        instrument.contract.value,
        instrument.asset,
        instrument.multiplier,
        _text(instrument.tick_size),
        _text(instrument.step_size),
        _text(instrument.contract_size),
        _text(instrument.min_notional),
        instrument.funding_interval_h,
        instrument.max_leverage,
        int(instrument.is_trading),
        int(instrument.is_crypto),
    )


def _text(number: Decimal | None) -> str | None:
    """A decimal fraction, the same however many zeros it was written with.

    >>> _text(Decimal("0.10")), _text(Decimal("1E+2"))
    ('0.1', '100')
    """
    return None if number is None else f"{number.normalize():f}"
