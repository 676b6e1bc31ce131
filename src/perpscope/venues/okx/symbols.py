"""Reading an instrument off OKX's own symbol, and the contract sizes known without a catalogue.

`BTC-USDT-SWAP` is a linear perpetual and ours. `BTC-USD-SWAP` is inverse, `BTC-USDT-260925` dated,
`BTC-USD-260925-60000-C` an option and `BTC-USDT` spot (or an index): none of ours. OKX counts in contracts, so that a
name alone is not enough: without a contract's size nothing that is told of it has a size.
"""

import re
from decimal import Decimal

from perpscope.model.instrument import Instrument, instrument_id

VENUE = "okx"

#: What our perpetuals are quoted and settled in; both count as dollars.
DOLLAR_QUOTES = ("USDT", "USDC")

#: Base units per contract as of 2026-11, for replays without a catalogue. The same in the catalogue of 2022-05, in a
#: reply captured later, and in the venue's documents. Others were seen in 2022 alone: too old to be relied upon.
CONTRACT_SIZES = {
    "BTC-USDT-SWAP": Decimal("0.01"),
    "ETH-USDT-SWAP": Decimal("0.1"),
}

_LONGEST = 60
_SWAP = re.compile(r"([^\W_]+)-(USDT|USDC)-SWAP")
_INVERSE = re.compile(r"[^\W_]+-USD-SWAP")
_OTHERS = (
    ("spot", re.compile(r"[^\W_]+-[^\W_]+")),
    ("dated", re.compile(r"[^\W_]+-[^\W_]+-[0-9]{6}")),
    ("option", re.compile(r"[^\W_]+-[^\W_]+-[0-9]{6}-[0-9.]+-[CP]")),
)


def pair_of(symbol: str) -> tuple[str, str] | None:
    """Base and quote of a linear perpetual of ours; None if it is none.

    >>> pair_of("BTC-USDT-SWAP")
    ('BTC', 'USDT')
    """
    matched = _SWAP.fullmatch(symbol) if len(symbol) <= _LONGEST else None
    return (matched[1], matched[2]) if matched is not None else None


def other_product(symbol: str) -> str | None:
    """Which product a name is of, if it is not one of ours; None where it is, or says nothing.

    >>> other_product("BTC-USD-SWAP")
    'inverse'
    """
    if len(symbol) > _LONGEST:
        return None
    if _INVERSE.fullmatch(symbol):
        return "inverse"
    return next((product for product, name in _OTHERS if name.fullmatch(symbol)), None)


def instrument_named(symbol: str) -> Instrument | None:
    """Read an instrument off its symbol; None if it is not ours, or the size of its contracts is not known.

    >>> instrument_named("BTC-USDT-SWAP").id
    'BTC-USDT-PERP.OKX'
    >>> instrument_named("BTC-USD-SWAP") is None
    True
    """
    pair, contract_size = pair_of(symbol), CONTRACT_SIZES.get(symbol)
    if pair is None or contract_size is None:
        return None
    base, quote = pair
    return Instrument(
        id=instrument_id(VENUE, base, quote),
        venue=VENUE,
        symbol=symbol,
        base=base,
        quote=quote,
        contract_size=contract_size,
    )
