"""Reading an instrument off Bitget's own symbol, for when no catalogue is at hand.

`BTCUSDT` is a USDT-margined perpetual. `BTCUSD` and `BTCUSDZ24` are coin-margined, `BTCPERP` is margined in USDC, and
`BTCUSDT_UMCBL` is how the retired v1 API called things: none of them is ours. A name does not tell stocks and metals
(`NVDAUSDT`) from coins; the catalogue (`rest.instruments`) does.
"""

import re

from perpscope.model.instrument import Instrument, instrument_id

VENUE = "bitget"
QUOTE = "USDT"

_LONGEST = 40
_SYMBOL = re.compile(r"[^\W_]+")
_THOUSANDS = re.compile(r"(10{3,})([^\W\d_]\w*)")


def coin_and_multiplier(base: str) -> tuple[str, int]:
    """What a base is on any venue, and how many of it are one base unit: a power of ten from 1,000 leads the name.

    >>> coin_and_multiplier("1000BONK"), coin_and_multiplier("PEPE"), coin_and_multiplier("1INCH")
    (('BONK', 1000), ('PEPE', 1), ('1INCH', 1))
    """
    matched = _THOUSANDS.fullmatch(base)
    return (matched[2], int(matched[1])) if matched else (base, 1)


def instrument_named(symbol: str) -> Instrument | None:
    """Read a USDT-margined perpetual off its symbol, in whatever case; None if it is not one.

    >>> instrument_named("btcusdt").id
    'BTC-USDT-PERP.BITGET'
    >>> instrument_named("BTCUSDT_UMCBL") is None
    True
    """
    symbol = symbol.upper()
    base = symbol.removesuffix(QUOTE)
    if len(symbol) > _LONGEST or base in ("", symbol) or _SYMBOL.fullmatch(symbol) is None:
        return None
    coin, multiplier = coin_and_multiplier(base)
    return Instrument(
        id=instrument_id(VENUE, base, QUOTE),
        venue=VENUE,
        symbol=symbol,
        base=base,
        quote=QUOTE,
        coin=coin,
        multiplier=multiplier,
    )
