"""Reading an instrument off Hyperliquid's own name for it, for when no catalogue is at hand.

A perpetual of the venue's own exchange is called by its coin alone, `BTC`, and `kPEPE` is a thousand PEPE; all are
margined and quoted in USDC. `xyz:CRWV` is of an exchange somebody else built on the venue (HIP-3: stocks, metals,
other collateral), `@107` and `PURR/USDC` are spot: never ours. The catalogue (`rest.instruments`) knows better.
"""

import re

from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.stream import Ignored

VENUE = "hyperliquid"
QUOTE = "USDC"
FUNDING_INTERVAL_H = 1.0  #: of every contract

_COIN = re.compile(r"k?[A-Z0-9]{1,20}")
_THOUSANDS = re.compile(r"k([A-Z0-9]+)")
#: How other venues name a pair: `BTCUSDT` is no coin. No perpetual of this venue ends so.
_OTHERS_QUOTES = ("USDT", "USDC", "USD")

_BUILDER_DEX = Ignored("builder-dex")
_SPOT = Ignored("spot")
_UNKNOWN = Ignored("unknown-symbol")


def instrument_named(symbol: str) -> Instrument | None:
    """Read a perpetual off its coin, whose case matters; None if it is not one of the venue's own exchange.

    >>> instrument_named("BTC").id
    'BTC-USDC-PERP.HYPERLIQUID'
    >>> instrument_named("kPEPE").asset, instrument_named("kPEPE").multiplier
    ('PEPE', 1000)
    >>> instrument_named("xyz:CRWV") is None
    True
    """
    if _COIN.fullmatch(symbol) is None or symbol.endswith(_OTHERS_QUOTES):
        return None
    coin, multiplier = coins_in(symbol)
    return Instrument(
        id=instrument_id(VENUE, symbol, QUOTE),
        venue=VENUE,
        symbol=symbol,
        base=symbol,
        quote=QUOTE,
        coin=coin,
        multiplier=multiplier,
        funding_interval_h=FUNDING_INTERVAL_H,
    )


def coins_in(symbol: str) -> tuple[str, int]:
    """What one base unit is: `kPEPE` is 1,000 PEPE; an empty coin where unit and name are the same."""
    matched = _THOUSANDS.fullmatch(symbol)
    return (matched[1], 1000) if matched else ("", 1)


def is_of_others(symbol: str) -> bool:
    """True for spot, and for contracts of an exchange built on the venue."""
    return ":" in symbol or "/" in symbol or symbol.startswith("@")


def why_not(symbol: str) -> Ignored:
    """Why a name is none of ours."""
    if ":" in symbol:
        return _BUILDER_DEX
    return _SPOT if is_of_others(symbol) else _UNKNOWN
