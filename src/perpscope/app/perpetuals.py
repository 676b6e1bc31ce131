"""Which of a store's perpetuals a name means."""

from collections.abc import Iterable

from perpscope.config import nearest
from perpscope.errors import ConfigError
from perpscope.model.instrument import Contract, Instrument


def perpetuals(name: str, known: Iterable[Instrument], *, multiplied: bool) -> list[Instrument]:
    """Those with profit in the quote, of a coin ("BTC"), else of one symbol or id: sizes of others are no base units.

    Args:
        name: in any case.
        known: what is stored.
        multiplied: a coin's name means its contracts of a thousand coins (`1000PEPEUSDT`) too.

    Raises:
        ConfigError: there is none.
    """
    usable = [i for i in known if i.is_perpetual and i.contract is Contract.LINEAR]
    wanted = name.upper()
    found = [i for i in usable if wanted == i.asset.upper() and (multiplied or i.multiplier == 1)]
    found = found or [i for i in usable if wanted in {i.id.upper(), i.symbol.upper(), i.base.upper()}]
    if not found:
        words = {word.upper() for i in usable for word in (i.asset, i.symbol, i.id)}
        like = nearest(wanted, words)
        coins = ", ".join(sorted({i.asset for i in usable})[:8])
        hint = f"did you mean {like!r}?" if like else f"stored are {coins}" if coins else "collect something first"
        raise ConfigError("symbol-unknown", f"nothing is stored of a perpetual {name!r}", hint=hint)
    return found
