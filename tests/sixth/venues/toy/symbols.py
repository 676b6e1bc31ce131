"""Names of the toy exchange: `BTC~` is the perpetual on bitcoin in USDT; a lot is a hundredth of a coin."""

import re
from decimal import Decimal

from perpscope.model.instrument import Instrument, instrument_id

VENUE = "toy"
LOT = Decimal("0.01")  #: base units

_NAME = re.compile(r"([A-Z0-9]{1,12})~")


def instrument_named(symbol: str) -> Instrument | None:
    """Read an instrument off its name.

    >>> instrument_named("BTC~").id
    'BTC-USDT-PERP.TOY'
    """
    matched = _NAME.fullmatch(symbol)
    if matched is None:
        return None
    coin = matched[1]
    return Instrument(
        id=instrument_id(VENUE, coin, "USDT"), venue=VENUE, symbol=symbol, base=coin, quote="USDT", contract_size=LOT
    )
