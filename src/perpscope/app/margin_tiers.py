"""Margin tiers where a venue does not tell them: a dated table that ships with perpscope, else one assumed tier.

Binance shows its brackets only to whoever has a key; `binance_margin_tiers.json` holds those of 907 contracts as they
were in September 2026, one entry for each set of tiers with the symbols that share it. It is read when first asked
for. Whoever shows or uses tiers shows `quality`, `source` and `as_of` with them.
"""

import enum
import functools
import importlib.resources

import msgspec

from perpscope.model.instrument import Instrument, MarginTier

_FILES = {"binance": "binance_margin_tiers.json"}
#: Maintenance margin where nothing is known, fraction of notional (METHOD 1.2: bracket table missing).
ASSUMED_MMR = 0.005
#: Leverage that goes with it where the catalogue tells none: maintenance is half of the initial margin.
_ASSUMED_LEVERAGE = 100.0


class Quality(enum.Enum):
    """How far margin tiers can be trusted."""

    PUBLISHED = "published"  #: the venue said so when it was asked
    DATED = "dated"  #: the venue's own, as they were at `as_of`
    ASSUMED = "assumed"  #: one tier of 0.5 % for everything


class MarginTable(msgspec.Struct, frozen=True):
    """The margin tiers of an instrument, and where they come from."""

    tiers: tuple[MarginTier, ...]  #: lowest first, without a gap, the last without an end
    source: str
    as_of: str | None  #: ISO date, or as much of one as is known; None if assumed
    quality: Quality


class _Row(msgspec.Struct, frozen=True, array_like=True):
    floor: float  #: quote units
    cap: float  #: quote units; of the last row: the largest position there may be
    mmr: float
    max_leverage: float
    deduction: float  #: quote units


class _Shared(msgspec.Struct, frozen=True):
    symbols: str  #: separated by spaces
    tiers: list[_Row]


class _File(msgspec.Struct, frozen=True):
    source: str
    as_of: str
    columns: list[str]
    tables: list[_Shared]


def tiers_for(instrument: Instrument) -> MarginTable:
    """The tiers that ship for an instrument; a single assumed one where none do."""
    source, as_of, tables = _shipped(instrument.venue)
    rows = tables.get(instrument.symbol)
    if rows is None:
        leverage = instrument.max_leverage or _ASSUMED_LEVERAGE
        only = MarginTier(0.0, None, ASSUMED_MMR, leverage)
        return MarginTable((only,), "assumed: the venue's tiers are not known", None, Quality.ASSUMED)
    last = len(rows) - 1
    tiers = tuple(
        MarginTier(row.floor, None if at == last else row.cap, row.mmr, row.max_leverage, row.deduction)
        for at, row in enumerate(rows)
    )
    return MarginTable(tiers, source, as_of, Quality.DATED)


@functools.cache
def _shipped(venue: str) -> tuple[str, str, dict[str, list[_Row]]]:
    """Source, date and symbol → rows of the table that ships for a venue; nothing where none does."""
    if venue not in _FILES:
        return "", "", {}
    raw = importlib.resources.files("perpscope.app").joinpath(_FILES[venue]).read_bytes()
    file = msgspec.json.decode(raw, type=_File)
    by_symbol = {symbol: shared.tiers for shared in file.tables for symbol in shared.symbols.split()}
    return file.source, file.as_of, by_symbol
