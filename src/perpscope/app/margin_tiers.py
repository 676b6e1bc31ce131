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
#: Venues that ask half of the initial margin at the highest leverage (METHOD 1.1): known wherever that leverage is.
_HALF_OF_INITIAL = ("hyperliquid",)


class Quality(enum.Enum):
    """How far margin tiers can be trusted."""

    PUBLISHED = "published"  #: the venue said so when it was asked
    DATED = "dated"  #: the venue's own, as they were at `as_of`
    ASSUMED = "assumed"  #: one tier for everything: 0.5 %, or what follows from the highest leverage


class MarginTable(msgspec.Struct, frozen=True):
    """The margin tiers of an instrument, and where they come from."""

    tiers: tuple[MarginTier, ...]  #: lowest first, without a gap, the last without an end
    source: str
    as_of: str | None  #: ISO date, or as much of one as is known; None if assumed
    quality: Quality


class TierRow(msgspec.Struct, frozen=True, array_like=True):
    """One tier, as it stands in a file."""

    floor: float  #: quote units
    cap: float | None  #: quote units; of the last row: the largest position there may be
    mmr: float
    max_leverage: float
    deduction: float  #: quote units


class SharedTiers(msgspec.Struct, frozen=True):
    """Tiers that several contracts have."""

    symbols: str  #: separated by spaces
    tiers: list[TierRow]


class TierFile(msgspec.Struct, frozen=True):
    """The form in which tables ship."""

    source: str
    as_of: str
    tables: list[SharedTiers]

    def of(self, symbol: str) -> tuple[MarginTier, ...]:
        """The tiers of a symbol; none if it is not in it."""
        rows = next((shared.tiers for shared in self.tables if symbol in shared.symbols.split()), [])
        return tuple(MarginTier(row.floor, row.cap, row.mmr, row.max_leverage, row.deduction) for row in rows)


def tiers_for(instrument: Instrument) -> MarginTable:
    """The tiers that ship for an instrument; a single assumed one where none do."""
    file = _shipped(instrument.venue)
    tiers = () if file is None else file.of(instrument.symbol)
    if file is None or not tiers:
        only = MarginTier(0.0, None, *_assumed(instrument))
        return MarginTable((only,), "assumed: the venue's tiers are not known", None, Quality.ASSUMED)
    endless = msgspec.structs.replace(tiers[-1], cap=None)
    return MarginTable((*tiers[:-1], endless), file.source, file.as_of, Quality.DATED)


def _assumed(instrument: Instrument) -> tuple[float, float]:
    """Maintenance rate and highest leverage of a contract whose tiers are not known."""
    if instrument.max_leverage is None:
        return ASSUMED_MMR, _ASSUMED_LEVERAGE
    if instrument.venue in _HALF_OF_INITIAL:
        return 0.5 / instrument.max_leverage, instrument.max_leverage
    return ASSUMED_MMR, instrument.max_leverage


@functools.cache
def _shipped(venue: str) -> TierFile | None:
    """The table that ships for a venue; None where none does."""
    if venue not in _FILES:
        return None
    raw = importlib.resources.files("perpscope.app").joinpath(_FILES[venue]).read_bytes()
    return msgspec.json.decode(raw, type=TierFile)
