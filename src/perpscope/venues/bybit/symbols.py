"""Reading an instrument off Bybit's own symbol, and a coin off the catalogue's `baseCoin`.

Linear contracts are `BTCUSDT` (margined in USDT), `BTCPERP` (in USDC), and dated `BTCUSDT-26DEC25` and `BTC-26DEC25`
likewise. `BTCUSD` and `BTCUSDZ25` are inverse and `BTC-27MAR26-70000-P-USDT` is an option: none of ours. A spot pair
may be called like a linear one; it lives on another socket. The catalogue (`rest.instruments`) knows better.
"""

import re

from perpscope.model.instrument import Instrument, instrument_id

VENUE = "bybit"

#: Quotes that count as dollars.
DOLLAR_QUOTES = frozenset({"USDT", "USDC", "USD"})

_LONGEST = 40
_BASE = r"([^\W_]+?)"
_MONTHS = {
    month: f"{number:02}" for number, month in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)
}
_DATE = rf"(0[1-9]|[12][0-9]|3[01])({'|'.join(_MONTHS)})([0-9]{{2}})"
_PERPETUAL = re.compile(rf"{_BASE}(USDT|PERP)")
_DATED = re.compile(rf"{_BASE}(USDT)?-{_DATE}")
_INVERSE = re.compile(rf"{_BASE}USD(?:[FGHJKMNQUVXZ][0-9]{{2}})?")
_OPTION = re.compile(r"[^\W_]+-[0-9]{1,2}[A-Z]{3}[0-9]{2}-[0-9.]+-[CP](?:-[A-Z]+)?")

#: A coin sold by the thousand says so in front; the one that says it behind is known by name (tickers of 2024).
_THOUSANDS = re.compile(r"(1000+)([^\W_]*[^\W\d_][^\W_]*)")
_THOUSANDS_BEHIND = {"SHIB1000": ("SHIB", 1000)}


def is_inverse(symbol: str) -> bool:
    """True if the name is a coin-margined contract's."""
    return _INVERSE.fullmatch(symbol) is not None


def is_option(symbol: str) -> bool:
    """True if the name is an option's."""
    return _OPTION.fullmatch(symbol) is not None


def expiry_of(symbol: str) -> str | None:
    """YYMMDD of a dated linear contract's name; None if it has none.

    >>> expiry_of("BTC-27SEP24")
    '240927'
    """
    dated = _DATED.fullmatch(symbol)
    if dated is None:
        return None
    day, month, year = dated.groups()[2:]
    return f"{year}{_MONTHS[month]}{day}"


def coin_of(base: str) -> tuple[str, int]:
    """What a `baseCoin` of the catalogue is on any venue, and how many of it are one base unit.

    A coin whose own name begins with a power of ten from 1,000 up would be misread; none is known among the perpetuals.

    >>> coin_of("1000PEPE"), coin_of("SHIB1000"), coin_of("1INCH")
    (('PEPE', 1000), ('SHIB', 1000), ('1INCH', 1))
    """
    if base in _THOUSANDS_BEHIND:
        return _THOUSANDS_BEHIND[base]
    matched = _THOUSANDS.fullmatch(base)
    return (matched[2], int(matched[1])) if matched else (base, 1)


def instrument_named(symbol: str) -> Instrument | None:
    """Read a linear instrument off its symbol, in whatever case; None if it is not one.

    >>> instrument_named("btcperp").id
    'BTC-USDC-PERP.BYBIT'
    >>> instrument_named("BTCUSD") is None
    True
    """
    symbol = symbol.upper()
    if len(symbol) > _LONGEST:
        return None
    expiry = expiry_of(symbol)
    matched = _PERPETUAL.fullmatch(symbol) if expiry is None else _DATED.fullmatch(symbol)
    if matched is None:
        return None
    base, quote = matched[1], "USDT" if matched[2] == "USDT" else "USDC"
    return Instrument(
        id=instrument_id(VENUE, base, quote, expiry), venue=VENUE, symbol=symbol, base=base, quote=quote, expiry=expiry
    )
