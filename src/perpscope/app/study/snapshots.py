"""`study verify-snapshots`: is what was published still what was published, and does the store still say the same?

In: a store, and the folder of chains beside it. Out: each chain as it was found, and of a sample of its snapshots
whether the map made anew from the store's rows up to that moment is the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.app.liqmap import kept as map_kept
from perpscope.app.liqmap.kept import KeptMap
from perpscope.app.liqmap.snapshots import Snapped, parameters_of, unpack
from perpscope.errors import ConfigError, DataError, StoreError
from perpscope.model.instrument import InstrumentId
from perpscope.stores.reader import SqliteReader
from perpscope.stores.shared_check import check_shared
from perpscope.stores.shared_objects import open_objects
from perpscope.stores.snapshot_check import ChainTold, check
from perpscope.stores.snapshot_rows import Row, folder_of
from perpscope.stores.snapshots import SnapshotReader

_EVER: Final = 2**62
_MINUTES: Final = 60_000_000_000


class Remade(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot made anew from the store."""

    symbol: str
    row: int
    ts_ms: int
    outcome: str  #: same, explained, differs, not-made
    what: str
    difference: float | None = None  #: largest of a bin, as a share of the largest bin


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What `perpscope study verify-snapshots --json` prints."""

    folder: str  #: or the place where instances share
    ok: bool
    chains: list[ChainTold]
    remade: list[Remade]


def verify_snapshots(
    store: Path, symbol: str | None = None, *, contains: str | None = None, sample: int = 0
) -> Verified:
    """Verify every row of the chains, and make a sample of the maps anew.

    Args:
        store: the database beside whose folder they are.
        symbol: only this coin's; None = all.
        contains: a hash its chain once had.
        sample: how many snapshots of each chain are made anew, evenly apart, the newest among them.

    Raises:
        ConfigError: a hash is asked for of no one chain, or it is none.
        DataError: there are no snapshots.
    """
    _refuse_no_hash(contains, symbol)
    folder = folder_of(store)
    name = None if symbol is None else symbol.upper()
    chains = check(folder, name, contains)
    if not chains:
        raise _none(str(folder), name, "they are kept while collecting: perpscope live, collect or demo")
    remade = [one for chain in chains if chain.ok and chain.maps for one in _sample(store, chain.symbol, sample)]
    ok = all(chain.ok for chain in chains) and not any(one.outcome == "differs" for one in remade)
    return Verified(folder=str(folder), ok=ok, chains=chains, remade=remade)


def verify_shared(share: str, symbol: str | None = None, *, contains: str | None = None) -> Verified:
    """Verify every row of the chains that instances share.

    Args:
        share: a folder, gs:// or s3:// URL, as `map.share`.
        symbol: only this coin's; None = all.
        contains: a hash its chain once had.

    Raises:
        ConfigError: it is no such place, or a hash is asked for of no one chain, or it is none.
        DataError: there are no snapshots.
        StoreError: "share-unreachable".
    """
    _refuse_no_hash(contains, symbol)
    name = None if symbol is None else symbol.upper()
    objects = open_objects(share)
    chains = check_shared(objects, name, contains)
    if not chains:
        raise _none(objects.where, name, "they are shared while collecting: set map.share")
    return Verified(folder=objects.where, ok=all(chain.ok for chain in chains), chains=chains, remade=[])


def _refuse_no_hash(contains: str | None, symbol: str | None) -> None:
    if contains is not None and (symbol is None or len(contains) != 64 or set(contains) - set("0123456789abcdef")):
        raise ConfigError(
            "option-value",
            f"--contains {contains} must be 64 hexadecimal digits, of one symbol's chain",
            hint="perpscope study verify-snapshots BTC --contains HASH",
        )


def _none(where: str, name: str | None, hint: str) -> DataError:
    whose = "" if name is None else f" of {name}"
    return DataError("snapshots-none", f"there are no map snapshots{whose} in {where}", hint=hint)


def _sample(store: Path, symbol: str, count: int) -> list[Remade]:
    if not count:
        return []
    chain = SnapshotReader(folder_of(store))
    rows = chain.maps(symbol, 0, _EVER)
    places = np.unique(np.linspace(len(rows) - 1, 0, count).round().astype(int))
    with SqliteReader.open(store) as reader:
        known = {instrument.id: instrument for instrument in reader.instruments()}
        try:
            kept = map_kept.take_up(reader, symbol, known) or []
        except StoreError as error:
            return [_not_made(rows[int(at)], error.message) for at in places]
        return [_remade(reader, chain, rows[int(at)], kept) for at in places]


def _remade(reader: SqliteReader, chain: SnapshotReader, row: Row, kept: Sequence[KeptMap]) -> Remade:
    """One snapshot, from the first minute of its venues to its own."""
    try:
        was = unpack(chain.payload(row))
    except StoreError as error:
        return _not_made(row, error.message)
    by_name = {one.instrument.id: one for one in kept}
    if not all(InstrumentId(venue.instrument) in by_name for venue in was.venues):
        return _not_made(row, "a venue of it has no kept map any more")
    models = [by_name[InstrumentId(venue.instrument)] for venue in was.venues]
    if parameters_of(Setting(), [one.ladders for one in models]) != row.parameters:
        return _not_made(row, "it was made by other parameters, margin tiers or constants")
    maps = [
        KeptMap(
            instrument=one.instrument,
            ladders=one.ladders,
            map=VenueMap(one.ladders, Setting()),
            since=venue.since,
            until=venue.since,
            filled=0,
        )
        for one, venue in zip(models, was.venues, strict=True)
    ]
    map_kept.advance(reader, maps, row.ts)
    if any(one.state is None for one in maps):
        return _not_made(row, "its rows are no longer in the store")
    return _judged(reader, row, was, maps)


def _judged(reader: SqliteReader, row: Row, was: Snapped, maps: Sequence[KeptMap]) -> Remade:
    again = map_kept.snapshot(row.symbol, maps, row.ts, reader.kind)
    assert again is not None  # noqa: S101 -- every map has a state
    now = unpack(again.payload)
    same = (was.codes, was.at, was.status, was.mark) == (now.codes, now.at, now.status, now.mark)
    if same:
        return Remade(
            symbol=row.symbol, row=row.row, ts_ms=row.ts // 1_000_000, outcome="same", what="", difference=0.0
        )
    far = was.first != now.first or was.bins != now.bins
    difference = None if far else float(np.abs(was.usd - now.usd).max() / max(float(was.usd.max()), 1.0))
    filled = sum(map_kept.filled_ns(reader, one.instrument, one.since, row.ts) for one in maps)
    explained = filled > 0
    what = f"{filled / _MINUTES:,.0f} minutes of its past were asked for afterwards" if explained else (
        "the store's rows of that time are not what they were"
    )  # fmt: skip
    return Remade(
        symbol=row.symbol,
        row=row.row,
        ts_ms=row.ts // 1_000_000,
        outcome="explained" if explained else "differs",
        what=what,
        difference=difference,
    )


def _not_made(row: Row, why: str) -> Remade:
    return Remade(symbol=row.symbol, row=row.row, ts_ms=row.ts // 1_000_000, outcome="not-made", what=why)
