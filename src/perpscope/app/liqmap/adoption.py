"""A map that another instance kept goes on here, in place of one that begins with nothing.

In: what was found where maps are shared, and this store. A venue's map is taken when the store holds the last minute it
took, at about the same price: the backfill asks for the newest first, so all since is there as well. Made by other
constants or formulas, or not what was written: it is not taken, and that is said.
"""

from collections.abc import Mapping
from typing import Final

from perpscope.analytics.liqmap.bars import HOUR_NS
from perpscope.app.liqmap import kept as map_kept
from perpscope.app.liqmap.kept import PROFILE, KeptMap
from perpscope.app.liqmap.sharing import MapSharing
from perpscope.errors import StoreError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.reports.numerals import moment
from perpscope.stores import kept_maps
from perpscope.stores.reader import SqliteReader
from perpscope.stores.shared_maps import Shared

#: Market time the store has to come by the minutes since; and in which a map whose past is filled in goes on from there
#: once more (both chosen by hand).
_PATIENCE_NS: Final = 6 * HOUR_NS
#: How far a price may be off: marks are told live alone, a candle asked for afterwards has last prices.
_PRICE: Final = 0.005
_FORMULA: Final = "method"


class Adoption:
    """Takes what was found in the place of what begins with nothing.

    Args:
        sharing: where it is looked for.
    """

    def __init__(self, sharing: MapSharing) -> None:
        self._sharing = sharing
        self._asked: dict[str, int | None] = {}  #: by coin, ns UTC, when it was first awaited
        self._words: list[str] = []

    def ask(self, symbol: str) -> None:
        """Nothing of a coin is kept here: look for it."""
        self._asked[symbol] = None
        self._sharing.ask(symbol)

    def said(self) -> list[str]:
        """Words for people since the last time."""
        words, self._words = self._words, []
        return words

    def taken(
        self,
        reader: SqliteReader,
        symbol: str,
        maps: list[KeptMap],
        known: Mapping[InstrumentId, Instrument],
        end: int,
    ) -> list[KeptMap]:
        """The maps of a coin, with another instance's in the place of those that began here.

        Args:
            reader: the store.
            symbol: a coin.
            maps: of each venue, as they are here.
            known: instruments that are meant.
            end: ns UTC, now.
        """
        if symbol not in self._asked:
            return maps
        since = self._asked[symbol] or end
        self._asked[symbol] = since
        if end > since + _PATIENCE_NS:
            self._forget(symbol)
            return maps
        shared = self._sharing.found(symbol)
        if shared is None:
            return maps
        mine = {kept.instrument.id: kept for kept in maps}
        theirs = [
            kept
            for kept in self._read(shared, symbol, known)
            if (kept.instrument.id not in mine or not mine[kept.instrument.id].theirs)
            and kept.until <= end
            and map_kept.is_of(reader, kept, within=_PRICE)
        ]
        for kept in theirs:
            kept.theirs = kept.until
            kept.filled = map_kept.filled_ns(reader, kept.instrument, kept.until, end)
            mine[kept.instrument.id] = kept
        if theirs:
            venues = ", ".join(kept.instrument.venue for kept in theirs)
            until = moment(max(kept.until for kept in theirs) // 1_000_000, "%Y-%m-%d %H:%M")
            self._words.append(f"{symbol}: goes on from the map another instance kept up to {until} UTC ({venues})")
        return sorted(mine.values(), key=lambda kept: kept.instrument.id)

    def _read(self, shared: Shared, symbol: str, known: Mapping[InstrumentId, Instrument]) -> list[KeptMap]:
        """Another instance's maps, each time anew: a map that goes on changes."""
        if (shared.row.formula, shared.row.profile) != (_FORMULA, PROFILE):
            return self._refused(symbol, f"it was made by {shared.row.formula}, {shared.row.profile}")
        try:
            kept, arrays = kept_maps.read(shared.content, f"shared map of {symbol}")
            if kept.symbol != symbol:
                return self._refused(symbol, f"it is of {kept.symbol}")
            found = map_kept.restored(kept, arrays, known)
        except StoreError as error:
            return self._refused(symbol, error.message)
        return self._refused(symbol, "it was made by other constants") if found is None else found

    def _refused(self, symbol: str, why: str) -> list[KeptMap]:
        self._words.append(f"{symbol}: the map another instance kept is not taken: {why}")
        self._forget(symbol)
        return []

    def _forget(self, symbol: str) -> None:
        del self._asked[symbol]
        self._sharing.forget(symbol)
