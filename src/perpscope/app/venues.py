"""Venues by name, with their settings; instruments by any of their names."""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from perpscope import venues
from perpscope.config import Table, convert, nearest
from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument
from perpscope.ports import Venue, venue_of

#: Coins listened to when none are named: thirty liquid USD-M perpetuals, chosen by hand until the catalogue picks
#: them by volume. Those a venue does not list are left out and named.
DEFAULT_COINS = (
    "BTC ETH SOL XRP BNB DOGE ADA AVAX LINK LTC TRX DOT BCH SUI NEAR APT ARB OP FIL ATOM UNI AAVE ETC XLM HBAR "
    "INJ TIA SEI WLD ENA"
).split()
#: The name that means every perpetual a venue trades.
EVERYTHING = "all"
_QUOTES = ("USDT", "USDC", "USD")


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[venue.<name>]`: where a venue is reached and how much may be asked of it."""

    websocket_url: str = ""  #: empty = the venue's own
    rest_url: str = ""  #: empty = the venue's own
    clock_url: str = ""  #: a lab's market clock; what is collected is then DEMO DATA
    weight_per_minute: float = 1920.0  #: request weight a minute; Binance allows 2400 per IP, a fifth is left to others


def names() -> list[str]:
    """Every venue there is a folder for."""
    return sorted(module.name for module in pkgutil.iter_modules(venues.__path__) if module.ispkg)


def find(name: str) -> Venue:
    """The venue of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in names():
        like = nearest(name, names())
        hint = f"did you mean {like!r}?" if like else f"known: {', '.join(names())}"
        raise ConfigError("venue-unknown", f"unknown venue {name!r}", hint=hint)
    return venue_of(importlib.import_module(f"perpscope.venues.{name}"))


def settings(name: str, raw: Mapping[str, Table]) -> VenueSettings:
    """The venue's part of the configuration.

    Raises:
        ConfigError: an unknown key or a wrong value.
    """
    return convert(raw.get(name, {}), VenueSettings, f"venue.{name}")


def refuse_unknown(raw: Mapping[str, Table]) -> None:
    """Refuse `[venue.X]` tables of venues that do not exist, and unknown keys in the others.

    Raises:
        ConfigError: the first of them.
    """
    for name in raw:
        find(name)
        settings(name, raw)


def choose(wanted: Sequence[str], catalogue: Iterable[Instrument], venue: str) -> tuple[list[Instrument], list[str]]:
    """Instruments for the names given, or the default set where none are; and the default names left out.

    Args:
        wanted: coins (`BTC`), symbols (`BTCUSDT`) or ids (`BTC-USDT-PERP.BINANCE`), in any case; or `all`.
        catalogue: what the venue lists.
        venue: named in errors.

    Raises:
        ConfigError: a name that was given is not listed, or is not trading.
    """
    catalogue = list(catalogue)
    by_name = _by_name(catalogue)
    if [name.lower() for name in wanted] == [EVERYTHING]:
        return [i for i in catalogue if i.is_perpetual and i.is_trading and i.is_crypto], []
    if not wanted:
        found = [by_name[coin] for coin in DEFAULT_COINS if coin in by_name and by_name[coin].is_trading]
        return found, [coin for coin in DEFAULT_COINS if coin not in by_name or not by_name[coin].is_trading]
    chosen: dict[str, Instrument] = {}
    for name in wanted:
        instrument = by_name.get(name.upper())
        if instrument is None:
            like = nearest(name.upper(), by_name)
            raise ConfigError(
                "symbol-unknown",
                f"unknown symbol {name!r} on {venue}",
                hint=f"did you mean {like!r}?" if like else "give a coin (BTC), a symbol (BTCUSDT) or an id",
            )
        if not instrument.is_trading:
            raise ConfigError("symbol-not-trading", f"{instrument.symbol} is listed on {venue} but does not trade now")
        chosen[instrument.id] = instrument
    return list(chosen.values()), []


def _by_name(catalogue: Iterable[Instrument]) -> dict[str, Instrument]:
    """Every way to say an instrument; a bare coin means its USDT perpetual, else USDC, else USD."""
    table: dict[str, Instrument] = {}
    for instrument in catalogue:
        table[instrument.id.upper()] = table[instrument.symbol.upper()] = instrument
        table.setdefault(instrument.id.partition(".")[0].upper(), instrument)
        if instrument.is_perpetual and instrument.quote in _QUOTES:
            known = table.get(instrument.base.upper())
            if known is None or _QUOTES.index(instrument.quote) < _QUOTES.index(known.quote):
                table[instrument.base.upper()] = instrument
    return table
