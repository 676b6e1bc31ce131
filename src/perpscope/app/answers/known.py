"""Which instruments a name means to a store, and what is said of a known one of which too little is stored yet.

In: a store, a name, and a reading. Out: what was read, or `Waiting`: so that a face tells "not yet" from "never heard
of it". Known is what is stored, what the settings collect, and the coins that are collected where none are named.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from perpscope.app import venues
from perpscope.app.default_set import BY_HAND
from perpscope.config import nearest
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Instrument
from perpscope.settings import Settings
from perpscope.stores.reader import SqliteReader

T = TypeVar("T")
#: Codes of errors that mean: too little is stored so far.
_SO_FAR: Final = frozenset({"store-missing", "window-empty", "map-too-little", "cascade-too-little"})
_UNKNOWN: Final = "symbol-unknown"
_NO_STORE: Final = "there is no database yet: nothing was collected so far"


class Waiting(msgspec.Struct, frozen=True):
    """What was asked for is known, but too little of it is stored."""

    why: str  #: a sentence


def read_or_wait(path: Path, settings: Settings, name: str | None, read: Callable[[Path], T]) -> T | Waiting:
    """What a reading gives; `Waiting` where the store has too little for it.

    Args:
        path: the store, which may not be there yet.
        settings: what is collected.
        name: a coin, symbol or id; None = the reading is about everything.
        read: takes the path.

    Raises:
        ConfigError: the name is unknown ("symbol-unknown"), or the reading says what else is wrong.
        StoreError: the store cannot be read.
    """
    try:
        return read(path)
    except DataError as error:
        if error.code not in _SO_FAR:
            raise
        why = _NO_STORE if error.code == "store-missing" else error.message
    except ConfigError as error:
        if error.code != _UNKNOWN or name is None:
            raise
        why = error.message
    if name is not None:
        meant(stored(path), settings, name)
    return Waiting(why)


def stored(path: Path) -> list[Instrument]:
    """Every instrument of a store; none where there is no store.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with SqliteReader.open(path) as reader:
            return reader.instruments()
    except DataError:
        return []


def meant(instruments: Sequence[Instrument], settings: Settings, name: str) -> list[Instrument]:
    """The instruments a name means, perpetuals first; none where it is expected but not stored yet.

    Args:
        instruments: that are stored.
        settings: what is collected.
        name: a coin, symbol or id, in any case.

    Raises:
        ConfigError: nobody knows the name ("symbol-unknown").
    """
    wanted = name.upper()
    found = [i for i in instruments if wanted in names_of(i)]
    expected = {each.upper() for each in settings.collect.symbols or BY_HAND}
    if not found and wanted not in expected:
        every = {word for i in instruments for word in names_of(i)} | expected
        like = nearest(wanted, every)
        coins = ", ".join(dict.fromkeys(i.asset for i in instruments[:200])) or ", ".join(sorted(expected)[:8])
        hint = f"did you mean {like!r}?" if like else f"known are {coins}"
        raise ConfigError(_UNKNOWN, f"nothing is known of {name!r}", hint=hint)
    return sorted(found, key=lambda i: (not i.is_perpetual, i.id))


def names_of(instrument: Instrument) -> set[str]:
    """Every way to say an instrument, in capitals."""
    alone = instrument.id.rpartition(".")[0]
    return {word.upper() for word in (instrument.asset, instrument.base, instrument.symbol, instrument.id, alone)}


def missing_venues(instruments: Sequence[Instrument], settings: Settings, asked: Sequence[str]) -> list[str]:
    """Venues that were asked for and are not stored yet.

    Args:
        instruments: that are stored.
        settings: what is collected.
        asked: names of venues, in any case.

    Raises:
        ConfigError: nobody knows one of them ("venue-unknown").
    """
    here = {i.venue for i in instruments}
    known = {*here, *venues.names(), *settings.ccxt.venues}
    missing = [name.lower() for name in dict.fromkeys(asked) if name.lower() not in here]
    for name in missing:
        if name not in known:
            like = nearest(name, known)
            hint = f"did you mean {like!r}?" if like else f"known are {', '.join(sorted(known))}"
            raise ConfigError("venue-unknown", f"unknown venue {name!r}", hint=hint)
    return missing
