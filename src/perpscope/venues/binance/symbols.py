"""Reading an instrument off Binance's own symbol, for when no catalogue is at hand; and a coin off a base.

`BTCUSDT` is a USD-M perpetual and `BTCUSDT_260925` a dated one. `BTCUSD_PERP` and `BTCUSD_210924` are COIN-M: quoted
in plain USD, sized in contracts, and never ours. The catalogue (`rest.instruments`) always knows better than a name.
"""

import re

from perpscope.model.instrument import Instrument, instrument_id

VENUE = "binance"

#: Quotes that count as dollars, longest first, so that a base is never cut short. Seen in: recorded catalogues and
#: tick data (USDT; BUSD until 2023), the margin brackets of September 2026 (USDC, USD1, U), and the margin assets of
#: the 2025 catalogue (FDUSD). No contract was seen quoted in TUSD or BNFCR; `DOTUSD` shows what guessing would cost.
DOLLAR_QUOTES = ("FDUSD", "USDT", "USDC", "USD1", "BUSD", "U")

#: The one coin whose dated contracts were quoted in BUSD (January 2021). Any other dated name that ends in `BUSD_` is
#: COIN-M: `BNBUSD_210924` is BNB against USD.
_DATED_IN_BUSD = "BTCBUSD_"

#: What stands before a coin whose contract counts many at once. `1M` is a million; a lone `1` is none (`1INCH`), and
#: neither is a coin that is all digits (`42`). 20 of the 858 bases of September 2026 begin with a digit: 15 are read so
#: (1000BONK … 1000XEC, 1000000BOB, 1000000MOG, 1MBABYDOGE), and `0G`, `1INCH`, `2Z`, `4`, `42` are coins.
_MULTIPLES = {"1000000": 1_000_000, "1000": 1_000, "1M": 1_000_000}
_MANY = re.compile(r"(1000000|1000|1M)(?![0-9])(.+)")

_LONGEST = 40
_SYMBOL = re.compile(r"([^\W_]+)(?:_([0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])))?")
_COIN_M = re.compile(r"[^\W_]+USD_(?:PERP|[0-9]{6})")


def coin_of(base: str) -> tuple[str, int]:
    """What a base is on any venue, and how many of it one base unit is.

    Binance's catalogue has no field for it: the multiple is known by the base's name alone, which means here what it
    says even where the same letters name a token of their own on the spot market (`1000SATS`).

    >>> coin_of("1000PEPE"), coin_of("1MBABYDOGE"), coin_of("1INCH")
    (('PEPE', 1000), ('BABYDOGE', 1000000), ('1INCH', 1))
    """
    many = _MANY.fullmatch(base)
    return (many[2], _MULTIPLES[many[1]]) if many else (base, 1)


def is_coin_m(symbol: str) -> bool:
    """True if the name is a COIN-M contract's."""
    return _COIN_M.fullmatch(symbol) is not None and not symbol.startswith(_DATED_IN_BUSD)


def instrument_named(symbol: str) -> Instrument | None:
    """Read a USD-M instrument off its symbol, in whatever case; None if it is not one.

    >>> instrument_named("btcusdt_260925").id
    'BTC-USDT-260925.BINANCE'
    >>> instrument_named("BTCUSD_PERP") is None
    True
    """
    symbol = symbol.upper()
    matched = _SYMBOL.fullmatch(symbol) if len(symbol) <= _LONGEST else None
    if matched is None or is_coin_m(symbol):
        return None
    pair, expiry = matched.groups()
    quote = next((quote for quote in DOLLAR_QUOTES if pair.endswith(quote) and pair != quote), None)
    if quote is None:
        return None
    base = pair.removesuffix(quote)
    coin, multiplier = coin_of(base)
    return Instrument(
        id=instrument_id(VENUE, base, quote, expiry),
        venue=VENUE,
        symbol=symbol,
        base=base,
        quote=quote,
        expiry=expiry,
        coin=coin,
        multiplier=multiplier,
    )
