"""Instruments by any of their names: one resolver for all venues, over the catalogues at hand.

A name, in any case, is an id (`BTC-USDT-PERP.OKX`), an id without its venue (`BTC-USDT-PERP`), a symbol
(`BTC-USDT-SWAP`, `kPEPE`), a coin (`PEPE`) or a venue's own word for one (`1000PEPE`). Each venue is asked by itself.
What a name means depends on what is listed, never on the order of the listing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from perpscope.config import nearest
from perpscope.errors import ConfigError
from perpscope.model.instrument import Contract, Instrument

#: The name that means every perpetual a venue trades.
EVERYTHING = "all"
#: Quotes a bare coin stands for, best first.
QUOTES = ("USDT", "USDC", "USD")
#: Quotes and margin assets that count as dollars: those, and others seen in the venues' catalogues.
DOLLARS = frozenset({*QUOTES, "BUSD", "FDUSD", "TUSD", "USD1", "USDE", "USDH", "U"})


class Selection(msgspec.Struct, frozen=True):
    """What was asked for, by venue."""

    instruments: dict[str, list[Instrument]]  #: in the order asked, each once; a venue may have none
    notes: list[str]  #: what a person should know: names that a venue left out, and why


class Names:
    """Every way to say an instrument of one venue.

    Args:
        listed: what the venue lists, in any order.
    """

    def __init__(self, listed: Iterable[Instrument]) -> None:
        self._tables: list[dict[str, Instrument]] = [{} for _ in range(7)]
        for instrument in sorted(listed, key=_preference):
            for table, name in zip(self._tables, _ways(instrument), strict=True):
                table.setdefault(name, instrument)
        for table in self._tables:
            table.pop("", None)

    def find(self, name: str) -> Instrument | None:
        """The instrument of this name, trading or not; None if the venue has none."""
        folded = name.upper()
        spelled = (name, name, *[folded] * 5)
        return next((table[key] for table, key in zip(self._tables, spelled, strict=True) if key in table), None)

    def coin(self, coin: str) -> Instrument | None:
        """What a bare coin means here."""
        return self._tables[5].get(coin.upper())

    def named_only(self, coin: str) -> list[Instrument]:
        """Instruments on this coin that a bare coin never means: they want their symbol or id."""
        meant = self.coin(coin)
        return [i for i in self._tables[0].values() if i.asset.upper() == coin.upper() and i != meant]

    def spellings(self) -> Iterator[str]:
        """Every name, folded to upper case."""
        for table in self._tables[2:]:
            yield from table


def is_common(instrument: Instrument) -> bool:
    """True for what a bare coin may mean: a perpetual on a coin, quoted in dollars."""
    return instrument.is_perpetual and instrument.is_crypto and instrument.quote in QUOTES


def everything(listed: Iterable[Instrument]) -> list[Instrument]:
    """What `all` means: every perpetual that trades, except those on stocks, metals and indices."""
    return [i for i in listed if i.is_perpetual and i.is_trading and i.is_crypto]


def resolve(
    wanted: Sequence[str], catalogues: Mapping[str, Iterable[Instrument]], unheard: Collection[str] = ()
) -> Selection:
    """Find the instruments of these names on every venue that has them.

    A name that only some venues know is taken there and noted for the others; one that says its venue is only looked
    for there.

    Args:
        wanted: names, or `all`.
        catalogues: venue → what it lists.
        unheard: venues whose catalogue is not at hand: they may know a name that the others do not.

    Raises:
        ConfigError: a name that none of the venues knows, or that trades on none of those that know it.
    """
    if [name.lower() for name in wanted] == [EVERYTHING]:
        return Selection({venue: everything(listed) for venue, listed in catalogues.items()}, [])
    known = {venue: Names(listed) for venue, listed in catalogues.items()}
    chosen: dict[str, dict[str, Instrument]] = {venue: {} for venue in known}
    notes: list[str] = []
    for name in wanted:
        addressed = _addressed(name, [*known, *unheard])
        asked = [venue for venue in known if venue in addressed]
        found = {venue: instrument for venue in asked if (instrument := known[venue].find(name)) is not None}
        trading = {venue: instrument for venue, instrument in found.items() if instrument.is_trading}
        waiting = [venue for venue in unheard if venue in addressed]
        if not trading and not waiting:
            raise _refusal(name, known, found)
        for venue, instrument in trading.items():
            chosen[venue][instrument.id] = instrument
        notes += [_note(name, venue, known[venue], found) for venue in asked if venue not in trading]
        if not trading:
            notes.append(f"{name!r} has to wait for {', '.join(waiting)}")
    return Selection({venue: [*instruments.values()] for venue, instruments in chosen.items()}, notes)


def take_coins(coins: Sequence[str], catalogues: Mapping[str, Iterable[Instrument]]) -> Selection:
    """The instrument of each coin on every venue that trades it; each venue's missing ones in a note."""
    chosen: dict[str, list[Instrument]] = {}
    notes: list[str] = []
    for venue, listed in catalogues.items():
        names = Names(listed)
        here = {coin: i for coin in coins if (i := names.coin(coin)) is not None and i.is_trading}
        chosen[venue] = [*here.values()]
        if missing := [coin for coin in coins if coin not in here]:
            notes.append(f"{venue}: not listed or not trading, left out: {', '.join(missing)}")
    return Selection(chosen, notes)


def _preference(instrument: Instrument) -> tuple[bool, bool, int, int, str, str]:
    """Sorts what a shared name means to the front: what trades, in the best quote, with the fewest coins to a unit."""
    quote = QUOTES.index(instrument.quote) if instrument.quote in QUOTES else len(QUOTES)
    inverse = instrument.contract is Contract.INVERSE
    return (not instrument.is_trading, inverse, quote, instrument.multiplier, instrument.symbol, instrument.id)


def _ways(instrument: Instrument) -> tuple[str, ...]:
    """Its names, those that can only mean it first; empty where it has none of a kind."""
    exact = (instrument.id, instrument.symbol)
    bare = instrument.id.removesuffix(f".{instrument.venue.upper()}")
    coins = (instrument.asset.upper(), instrument.base.upper()) if is_common(instrument) else ("", "")
    return (*exact, *(name.upper() for name in (*exact, bare)), *coins)


def _addressed(name: str, venues: Sequence[str]) -> list[str]:
    """The venues a name is meant for: the one it ends with, or all."""
    said = name.rpartition(".")[2].lower()
    return [said] if said in venues else [*venues]


def _note(name: str, venue: str, names: Names, found: Mapping[str, Instrument]) -> str:
    """Why a venue has no part in a name."""
    if (halted := found.get(venue)) is not None:
        return f"{venue}: {halted.symbol} does not trade now, left out"
    coins = sorted({instrument.asset for instrument in found.values()})
    other = next((i for coin in coins if (i := names.coin(coin)) is not None), None)
    hint = f"; its {other.asset} is {other.symbol}" if other is not None else ""
    return f"{venue}: does not list {name!r}{hint}"


def _refusal(name: str, known: Mapping[str, Names], found: Mapping[str, Instrument]) -> ConfigError:
    """A name that nothing can be done with."""
    if found:
        told = ", ".join(f"{i.symbol} is listed on {venue}" for venue, i in found.items())
        return ConfigError("symbol-not-trading", f"{told} but does not trade now")
    where = ", ".join(known) or "any venue that answered"
    return ConfigError("symbol-unknown", f"unknown symbol {name!r} on {where}", hint=_hint(name, known))


def _hint(name: str, known: Mapping[str, Names]) -> str:
    others = [f"{i.symbol} ({venue})" for venue, names in known.items() for i in names.named_only(name)]
    if others:
        return f"a coin alone means a dollar perpetual on a coin; name it by symbol or id: {', '.join(others[:5])}"
    like = nearest(name.upper(), dict.fromkeys(spelling for names in known.values() for spelling in names.spellings()))
    return f"did you mean {like!r}?" if like else "give a coin (BTC), a symbol (BTCUSDT) or an id"
