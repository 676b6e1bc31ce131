"""Which symbol and which stretch of time are meant, given what a store holds.

The window ends now, in the store's market time. One that lies wholly behind the data is moved to it, and one that is
longer than the data is cut to it; either is said in a note.
"""

from collections.abc import Sequence

import msgspec

from perpscope.config import nearest
from perpscope.errors import ConfigError, DataError
from perpscope.reports import numerals
from perpscope.stores.extents import Extent

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_WORTH_SAYING = 0.01  #: of the length that was asked for


class Window(msgspec.Struct, frozen=True):
    """A stretch of time, and how it came about."""

    from_ms: int
    to_ms: int  #: not included
    notes: list[str]

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.to_ms - self.from_ms) / _HOUR_MS


def check_hours(hours: float) -> None:
    """Refuse a length that is none.

    Raises:
        ConfigError: not above 0, or not a number.
    """
    if not 0.0 < hours < float("inf"):
        raise ConfigError("option-value", f"--hours {hours:g} must be above 0", hint="e.g. --hours 24")


def choose_window(hours: float, now_ms: int, first_ms: int, last_ms: int, watched: tuple[int, int] | None) -> Window:
    """The last hours before now, moved and cut to where there are data.

    Args:
        hours: length that was asked for, > 0.
        now_ms: market time, ms UTC.
        first_ms: oldest stored liquidation.
        last_ms: newest one.
        watched: first and last moment the coverage table vouches for; None if it says nothing.
    """
    length = max(1, round(hours * _HOUR_MS))
    begins = min(first_ms - first_ms % _MINUTE_MS, watched[0] if watched else first_ms)
    ends = max(last_ms + 1, watched[1] if watched else 0)
    notes = []
    if ends <= now_ms - length or begins >= now_ms:
        notes.append(
            f"nothing is stored of the last {numerals.hours(hours)}: the window ends with the newest liquidation, "
            f"{numerals.moment(last_ms)} UTC"
        )
        to_ms = last_ms + 1
    else:
        to_ms = min(now_ms, ends)
    from_ms = max(to_ms - length, min(begins, to_ms - 1))
    if from_ms - (to_ms - length) > length * _WORTH_SAYING:
        stored = numerals.hours((to_ms - from_ms) / _HOUR_MS)
        notes.append(f"{numerals.hours(hours)} were asked for, the store has {stored} of them")
    return Window(from_ms, to_ms, notes)


def choose_symbol(name: str | None, stored: Sequence[Extent]) -> tuple[Extent, list[str]]:
    """The instrument that is meant, and a note where there was a choice.

    Args:
        name: a coin (`BTC`), symbol (`BTCUSDT`) or id (`BTC-USDT-PERP.BINANCE`) in any case; None = most events.
        stored: what there is, most events first.

    Raises:
        DataError: nothing is stored.
        ConfigError: there is nothing of this name.
    """
    if not stored:
        raise DataError(
            "window-empty",
            "no liquidations are stored yet",
            hint="collect some first: perpscope collect, perpscope demo or perpscope import",
        )
    if name is None:
        most = stored[0]
        others = f", of {len(stored)} instruments" if len(stored) > 1 else ""
        return most, [f"no symbol was named: {most.symbol} has most liquidations, {most.events:,}{others}"]
    found = [extent for extent in stored if name.upper() in _names(extent)]
    if not found:
        known = {word for extent in stored for word in _names(extent)}
        like = nearest(name.upper(), known)
        raise ConfigError(
            "symbol-unknown",
            f"no liquidations of {name!r} are stored",
            hint=f"did you mean {like!r}?" if like else f"stored are {_listed(stored)}",
        )
    rest = [f"{extent.symbol} on {extent.venue}" for extent in found[1:]]
    notes = [f"{name} is read as {found[0].symbol} on {found[0].venue}; also stored: {', '.join(rest)}"] if rest else []
    return found[0], notes


def base_and_quote(instrument: str) -> tuple[str, str]:
    """The two sides of an instrument by its id; words where the id does not say.

    >>> base_and_quote("BTC-USDT-PERP.BINANCE"), base_and_quote("ODD.BINANCE")
    (('BTC', 'USDT'), ('ODD', 'quote'))
    """
    name = instrument.rpartition(".")[0]
    base, _, rest = name.rpartition("-")[0].rpartition("-")
    return (base, rest) if base else (name, "quote")


def _names(extent: Extent) -> set[str]:
    """Every way to say an instrument, in capitals."""
    base, _ = base_and_quote(extent.instrument)
    return {
        word.upper() for word in (extent.symbol, extent.instrument, extent.instrument.rpartition(".")[0], base) if word
    }


def _listed(stored: Sequence[Extent], most: int = 8) -> str:
    words = [extent.symbol for extent in stored[:most]]
    return ", ".join(words) + (f" and {len(stored) - most} more" if len(stored) > most else "")
