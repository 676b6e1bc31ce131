"""Whose candles a file holds, as far as its name and its folder tell; what nobody tells is assumed, and said.

`BTC_USDT_USDT-1m-futures.feather`, `BTCUSDT_1m.parquet`, `okx_BTC-USDT-SWAP_1m.csv` and `hyperliquid_btc_1h.csv.gz`
are understood; the venue may stand in the name of the folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from perpscope.app import venues
from perpscope.feeds.attribution import venue_in
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.ports import Venue

#: Assumed where nothing tells.
HOME: Final = "binance"
_QUOTES: Final = ("USDT", "USDC", "USD")
_PAIR: Final = re.compile(r"([A-Za-z0-9]+)[_/](USDT|USDC|USD)(?:[_:](?:USDT|USDC|USD))?(?=[-_.]|$)")
_SWAP: Final = re.compile(r"([A-Za-z0-9]+)-(USDT|USDC|USD)-(?:SWAP|PERP)")
_WORD: Final = re.compile(r"[^\W_]+")
#: Words of a name that are no coin.
_NO_COIN: Final = re.compile(r"\d+(m|min|h|d|w|s)?$|(futures|spot|swap|mark|funding|rate|candles|klines|ohlcv)$", re.I)


def instrument_of(path: Path, venue: str | None, symbol: str | None) -> tuple[Instrument, list[str]]:
    """The instrument a file of candles is of, and what was assumed for it.

    Args:
        path: its name, and that of its folder, are looked at; the file is not.
        venue: whose it is, whatever they say; None = what they say.
        symbol: the same of the instrument: a coin, a symbol or an id.

    Raises:
        ConfigError: there is no such venue.
    """
    told = venue or _venue_in_id(symbol) or venue_in(path.name, venues.names())
    told = told or venue_in(path.resolve().parent.name, venues.names())
    notes = (
        [] if told is not None else [f"nothing tells the venue of {path.name}: Binance's contract and fees are taken"]
    )
    home = venues.find(told or HOME)
    names = _spelled(symbol) if symbol is not None else _read_off(path, home)
    for name in names:
        found = home.instrument_named(name)
        if found is not None and found.is_perpetual:
            return found, notes
    coin = re.sub(r"[^A-Z0-9]", "", (symbol or path.name.partition(".")[0]).upper())[:20] or "MARKET"
    unnamed = Instrument(
        id=instrument_id(home.name, coin, "USDT"), venue=home.name, symbol=f"{coin}USDT", base=coin, quote="USDT"
    )
    return unnamed, [*notes, f"nothing tells whose candles {path.name} holds: they are called {unnamed.id}"]


def is_called(instrument: Instrument, name: str) -> bool:
    """True if a coin, a symbol or an id means this instrument."""
    wanted = name.upper()
    return wanted in {
        instrument.id.upper(),
        instrument.symbol.upper(),
        instrument.base.upper(),
        instrument.asset.upper(),
    }


def _venue_in_id(symbol: str | None) -> str | None:
    """The venue an id ends with."""
    last = (symbol or "").rpartition(".")[2].lower()
    return last if last in venues.names() else None


def _read_off(path: Path, home: Venue) -> Iterator[str]:
    stem = path.name.partition(".")[0]
    for pattern in (_SWAP, _PAIR):
        if (matched := pattern.search(stem)) is not None:
            yield from _of_pair(matched[1].upper(), matched[2].upper())
    words = [word for word in _WORD.findall(stem) if word.lower() != home.name and _NO_COIN.match(word) is None]
    for word in words:
        yield word.upper()
    if words:
        yield from _spelled(words[0])


def _spelled(symbol: str) -> Iterator[str]:
    """Ways a venue may write what a person calls by coin, symbol or id."""
    yield symbol
    yield symbol.upper()
    bare = symbol.rpartition(".")[0] or symbol
    base, _, rest = bare.partition("-")
    quote = rest.partition("-")[0]
    if quote:
        yield from _of_pair(base.upper(), quote.upper())
    else:
        for assumed in _QUOTES:
            yield from _of_pair(base.upper(), assumed)


def _of_pair(base: str, quote: str) -> Iterator[str]:
    yield f"{base}{quote}"
    yield f"{base}-{quote}-SWAP"
    yield base
