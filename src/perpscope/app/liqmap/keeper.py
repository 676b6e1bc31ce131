"""What the heart's map thread does each minute: every coin's maps go on, are snapped into the chain, and put away.

In: the store, read as anybody may, and market time. Out: the folder of maps beside it, and words for people. Whatever
happens here is told and tried again; nothing of it can end the heart.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from perpscope.analytics import margin_venues
from perpscope.analytics.liqmap.arithmetic import Arithmetic
from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS
from perpscope.app.liqmap import kept as map_kept
from perpscope.app.liqmap.adoption import Adoption
from perpscope.app.liqmap.arithmetic import arithmetic
from perpscope.app.liqmap.kept import KeptMap
from perpscope.app.liqmap.near import kept_clusters
from perpscope.app.liqmap.sharing import MapSharing
from perpscope.app.perpetuals import perpetuals
from perpscope.errors import ConfigError, StoreError
from perpscope.model.bulletin import MapNews
from perpscope.model.instrument import Contract, Instrument, InstrumentId
from perpscope.model.order import Clusters
from perpscope.settings import Map
from perpscope.stores import kept_maps
from perpscope.stores.reader import SqliteReader
from perpscope.stores.snapshot_rows import Snapshot, folder_of
from perpscope.stores.snapshots import SnapshotStore
from perpscope.stores.status import StoreKind

#: A minute is taken when it has been over for so long: market seconds, and real ones (chosen by hand: a poll takes
#: seconds, and rows are committed each second).
_SETTLED_NS, _SETTLED_REAL_NS = 20_000_000_000, 3_000_000_000
#: Market time until venues that have not what it takes are looked at again, at first and at most; and between two
#: makings anew at least.
_AGAIN_NS: Final = 5 * MINUTE_NS
_LONGEST_NS: Final = 80 * MINUTE_NS
#: Kept maps are written so much apart that it is 50 kB of them a market second at most (chosen by hand).
_NS_A_BYTE: Final = 20_000
_ANEW_NS: Final = 10 * MINUTE_NS
#: Market time between two states of a coin that are shared: 1.5 MB of five venues (chosen by hand).
_SHARED_NS: Final = 60 * MINUTE_NS
#: Kinds of data whose maps are shared: no two demos are of one market, nor two replays.
_SHARED: Final = {StoreKind.OBSERVED}
_log = structlog.get_logger()


class MapKeeper:
    """Keeps the maps of a store. To be used from one thread at a time.

    Args:
        settings: `[map]`.
        store: written by this process.
        is_stopping: set when the work is to be cut short.
        is_looked_at: whether somebody is told of the clusters of an instrument's map.
    """

    def __init__(
        self,
        settings: Map,
        store: Path,
        is_stopping: threading.Event,
        is_looked_at: Callable[[InstrumentId], bool] = lambda _: False,
    ) -> None:
        self._settings = settings
        self._path = store
        self._folder = folder_of(store)
        self._is_stopping = is_stopping
        self._is_looked_at = is_looked_at
        self._clusters: dict[InstrumentId, Clusters] = {}
        self._maps: dict[str, list[KeptMap]] = {}
        self._look_again: dict[str, tuple[int, int]] = {}
        self._made_anew: dict[str, int] = {}
        self._put: dict[str, int] = {}
        self._sizes: dict[str, int] = {}  #: bytes of the files
        self._worked = 0  #: bars × books
        self._snapped: int | None = None
        self._day: int | None = None
        self._snapshots: SnapshotStore | None = None
        self._sharing: MapSharing | None = None
        self._is_alone = False  #: it was said that nothing is shared
        self._adoption: Adoption | None = None
        self._snaps: dict[str, Snapshot] = {}  #: the newest of each coin
        self._state_shared: dict[str, int] = {}
        self._words: list[str] = []
        self._news: dict[str, MapNews] = {}
        self._brought: dict[str, int] = {}  #: ns UTC, up to where each map was told to have come
        self._troubles: set[str] = set()
        self._told_troubles: set[str] = set()

    def keep(self) -> list[str]:
        """Bring every map up to date; snap and put away what is due. What people should know."""
        with SqliteReader.open(self._path) as reader:
            heart = reader.heart()
            if self._settings.share and self._sharing is None:
                self._share(reader.kind)
            if heart is not None:
                settled = max(_SETTLED_NS, round(_SETTLED_REAL_NS * heart.rate))
                end = heart.ts_market - settled
                self._keep(reader, end - end % MINUTE_NS)
        return self._said()

    def news(self) -> list[MapNews]:
        """Of which maps the newest state has not been told yet."""
        news, self._news = list(self._news.values()), {}
        return news

    def clusters(self) -> list[Clusters]:
        """The newest clusters of each map that is looked at, where they have not been told yet."""
        clusters, self._clusters = list(self._clusters.values()), {}
        return clusters

    def close(self) -> list[str]:
        """Put every map away, and let others write."""
        for symbol in self._maps:
            self._put_away(symbol)
            self._share_state(symbol)
        if self._snapshots is not None:
            self._snapshots.close()
        if self._sharing is not None:
            self._sharing.close()
        return self._said()

    def _said(self) -> list[str]:
        words, self._words = self._words, []
        return words if self._sharing is None else words + self._sharing.said()

    def _keep(self, reader: SqliteReader, end: int) -> None:
        every = self._settings.every_min * MINUTE_NS
        is_due = self._snapped is None or end // every > self._snapped // every
        known = {instrument.id: instrument for instrument in reader.instruments() if instrument.is_trading}
        for symbol in self._symbols(list(known.values())):
            if self._is_stopping.is_set():
                return
            self._go_on(reader, symbol, known, end)
            if is_due and not self._is_stopping.is_set():
                self._snap(symbol, end, reader.kind)
                self._put_away(symbol, end)
                self._share_state(symbol, end)
                self._make_anew_if_outdated(reader, symbol, end)
        if is_due:
            self._snapped = end
            self._let_go(end)
            self._look_back()

    def _symbols(self, known: Sequence[Instrument]) -> list[str]:
        """Coins to keep, those of most venues first."""
        usable = [
            one
            for one in known
            if one.is_perpetual and one.contract is Contract.LINEAR and one.venue in margin_venues.VENUES
        ]
        count: dict[str, int] = {}
        for one in usable:
            if one.multiplier == 1:
                count[one.asset] = count.get(one.asset, 0) + 1
        wanted = {symbol.upper() for symbol in self._settings.symbols} or count.keys()
        return sorted((symbol for symbol in count if symbol in wanted), key=lambda symbol: (-count[symbol], symbol))

    def _go_on(self, reader: SqliteReader, symbol: str, known: dict[InstrumentId, Instrument], end: int) -> None:
        maps = self._maps.get(symbol)
        if maps is None:
            maps = self._taken_up(reader, symbol, known)
        if self._lacks(symbol, maps, list(known.values()), end):
            maps = self._with_new(reader, symbol, maps, end)
        if self._adoption is not None:
            maps = self._adoption.taken(reader, symbol, maps, known, end)
            self._words += self._adoption.said()
        self._maps[symbol] = maps
        map_kept.advance(reader, maps, end, self._is_stopping.is_set, self._arithmetic)
        until = max((kept.until for kept in maps if kept.state is not None), default=None)
        if until is not None and until != self._brought.get(symbol):
            self._brought[symbol] = until
            self._news[symbol] = MapNews(symbol, until)
            looked_at = (kept_clusters(kept) for kept in maps if self._is_looked_at(kept.instrument.id))
            self._clusters.update({found.instrument: found for found in looked_at if found is not None})

    def _arithmetic(self, book_bars: int) -> Arithmetic:
        """By all the work there was: a minute's is little, a day's pays for the compiled form."""
        self._worked += book_bars
        return arithmetic(self._worked)

    def _lacks(self, symbol: str, maps: Sequence[KeptMap], known: Sequence[Instrument], end: int) -> bool:
        """Whether it is time to look for venues that had not what it takes."""
        if end < self._look_again.get(symbol, (0, 0))[0]:
            return False
        meant = {instrument.id for instrument in perpetuals(symbol, known, multiplied=False)}
        ready = {kept.instrument.id for kept in maps}
        return any(one.id not in ready for one in known if one.id in meant and one.venue in margin_venues.VENUES)

    def _with_new(self, reader: SqliteReader, symbol: str, maps: list[KeptMap], end: int) -> list[KeptMap]:
        """Maps of the venues that have none are begun; until the next look it takes twice as long as last time."""
        _, waited = self._look_again.get(symbol, (0, _AGAIN_NS // 2))
        wait = min(2 * waited, _LONGEST_NS)
        self._look_again[symbol] = (end + wait, wait)
        ready = {kept.instrument.id for kept in maps}
        try:
            begun = map_kept.begin(self._path, reader, symbol, end)
        except ConfigError as error:  # its margin tiers contradict themselves
            _log.warning("no map kept", symbol=symbol, error=error.message)
            return maps
        found = [*maps, *(kept for kept in begun if kept.instrument.id not in ready)]
        return sorted(found, key=lambda kept: kept.instrument.id)

    def _taken_up(self, reader: SqliteReader, symbol: str, known: dict[InstrumentId, Instrument]) -> list[KeptMap]:
        try:
            found = map_kept.take_up(reader, symbol, known)
            if not found and self._adoption is not None:
                self._adoption.ask(symbol)
            return found or []
        except StoreError as error:
            aside = kept_maps.set_aside(self._folder, symbol)
            self._words.append(f"{error.message}; set aside as {aside.name}, the map of {symbol} is made anew")
            if self._adoption is not None:
                self._adoption.ask(symbol)
            return []

    def _make_anew_if_outdated(self, reader: SqliteReader, symbol: str, end: int) -> None:
        """Maps of which much was told afterwards are begun again; they take their bars with the next minute."""
        maps = self._maps[symbol]
        fresh = [kept for kept in maps if not map_kept.is_outdated(reader, kept)]
        if len(fresh) < len(maps) and end >= self._made_anew.get(symbol, 0) + _ANEW_NS:
            self._made_anew[symbol] = end
            _log.info("maps made anew: their past was filled", symbol=symbol, venues=len(maps) - len(fresh))
            self._maps[symbol] = self._with_new(reader, symbol, fresh, end)

    def _share(self, kind: StoreKind) -> None:
        """Begin to share."""
        if kind in _SHARED:
            self._sharing = MapSharing(self._settings.share, kind)
            self._adoption = Adoption(self._sharing)
        elif not self._is_alone:
            self._is_alone = True
            self._words.append(f"map.share is for observed data: the maps of a {kind.value} are kept here alone")

    def _snap(self, symbol: str, end: int, kind: StoreKind) -> None:
        found = map_kept.snapshot(symbol, self._maps[symbol], end, kind)
        if found is None:
            return
        local = ""
        try:
            store = self._opened()
            local = store.append(found).chain
            self._words += [f"map snapshots: {what}" for what in store.mended]
            store.mended.clear()
        except StoreError as error:
            self._told(error.code, error.message)
        if self._sharing is not None:
            self._sharing.put(found, local)
            self._snaps[symbol] = found

    def _share_state(self, symbol: str, end: int | None = None) -> None:
        """Share a symbol's maps as they were put away; not so often, unless it is the end (None)."""
        if self._sharing is None or (snap := self._snaps.get(symbol)) is None:
            return
        last = self._state_shared.get(symbol)
        if end is not None and last is not None and end - last < _SHARED_NS:
            return
        content = kept_maps.content_of(self._folder, symbol)
        if content is not None:
            self._sharing.put_state(snap, content)
            self._state_shared[symbol] = end or 0

    def _opened(self) -> SnapshotStore:
        if self._snapshots is None:
            self._snapshots = SnapshotStore.open(self._folder)
        return self._snapshots

    def _put_away(self, symbol: str, end: int | None = None) -> None:
        """Write a symbol's maps to its file; of many maps not so often, unless it is the end (None)."""
        if self._snapshots is None or not any(kept.state is not None for kept in self._maps[symbol]):
            return
        last = self._put.get(symbol)
        if end is not None and last is not None and end - last < sum(self._sizes.values()) * _NS_A_BYTE:
            return
        try:
            self._sizes[symbol] = map_kept.put_away(self._folder, symbol, self._maps[symbol])
            self._put[symbol] = end or 0
        except OSError as error:
            self._told("map-not-kept", f"{self._folder} cannot be written: {error.strerror}")

    def _let_go(self, end: int) -> None:
        """Payloads that are old go once a market day."""
        day = end // DAY_NS
        if self._settings.keep_days and self._snapshots is not None and day != self._day:
            self._day = day
            for symbol in self._maps:
                try:
                    self._snapshots.drop_before(symbol, end - self._settings.keep_days * DAY_NS)
                except StoreError as error:
                    self._told(error.code, error.message)

    def _told(self, code: str, what: str) -> None:
        """Say once what is wrong, as long as it is."""
        self._troubles.add(code)
        if code not in self._told_troubles:
            self._words.append(f"{code}: {what}; maps stay in memory, it is tried again")

    def _look_back(self) -> None:
        """After a round of writing: what is wrong still, and whether all is well again."""
        if self._told_troubles and not self._troubles:
            self._words.append("maps can be written again")
        self._told_troubles, self._troubles = self._troubles, set()
