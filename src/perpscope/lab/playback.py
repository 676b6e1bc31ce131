"""A recorded Binance session played again through the lab's own sockets, at any rate, in the time of the recording.

In: frames with their connection and receipt time. Out: the same payload bytes to whoever subscribed the stream today,
whatever the recorded spelling of its name. Waits, clock held, until enough streams are subscribed or it is told to go.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

from perpscope.lab.book import LabBook
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Bar, Census, Funding, Stand
from perpscope.lab.recorded_books import RecordedBooks, Snapshot
from perpscope.lab.server import LabServer
from perpscope.lab.tape import TapedFrame, TapeReader, instruments
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle

_BATCH = 200  # frames played before clients get their turn
_PREFIX = 5_000  # frames looked at beforehand for what is traded
_LONGEST_NAP_S = 0.25


class Playback:
    """A tape on the lab's server.

    Args:
        prefix: the first frames, already read.
        rest: the frames after them.
        server: where they are played; its clock sets the pace.
        known: what is traded, if that is known; else read off the prefix.
        start_when: subscribed streams to wait for; None to wait for `start`.
    """

    def __init__(
        self,
        prefix: Sequence[TapedFrame],
        rest: Iterable[TapedFrame],
        server: LabServer,
        known: Sequence[Instrument] = (),
        start_when: int | None = None,
    ) -> None:
        self._frames = itertools.chain(prefix, rest)
        self._server = server
        self._start_when = start_when
        self._reader = TapeReader()
        self._books = RecordedBooks()
        self._is_told = False
        self.listings = [Listing(instrument) for instrument in known or instruments(prefix, self._reader)]
        self._stands = {listing.symbol: Stand(listing) for listing in self.listings}
        self.played: Counter[str] = Counter()  #: frames by what became of them: "stream", "snapshot", "skipped"

    # what REST asks ------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """Market time."""
        return self._server.now_ms

    def stand(self, symbol: str) -> Stand:
        """The book as of the newest diff played, empty until a recorded snapshot fits; only streams are played."""
        stand = self._stands[symbol]
        stand.book = self._books.get(symbol) or LabBook()
        return stand

    @property
    def ts_told(self) -> int:
        """Now."""
        return self.now_ms * 1_000_000

    @property
    def ts_oldest(self) -> int:
        """Now: what came before the recording is not known, and of the recording only streams are played."""
        return self.now_ms * 1_000_000

    def candles(self, *_: object) -> Sequence[Candle]:
        """None."""
        return []

    def reference_bars(self, *_: object) -> Sequence[Bar]:
        """None."""
        return []

    def fundings(self, *_: object) -> Sequence[Funding]:
        """None."""
        return []

    def censuses(self, *_: object) -> Sequence[Census]:
        """None."""
        return []

    def opening(self, topic: str) -> Sequence[bytes]:  # noqa: ARG002 (likewise)
        """None: a new subscriber hears what comes next."""
        return ()

    # pace ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go, however many streams are subscribed."""
        self._is_told = True
        self._server.changed.set()

    async def run(self) -> None:
        """Wait for the start, play every frame at its time. Connections stay open at the end."""
        await self._started()
        clock = self._server.clock
        clock.start()
        for count, (_, ts, frame) in enumerate(self._frames, start=1):
            if clock.is_paced:
                while (nap_s := clock.seconds_until(ts)) > 0:
                    await asyncio.sleep(min(nap_s, _LONGEST_NAP_S))
            else:
                clock.advance_to(ts)
            self._play(frame)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
                await self._server.all_caught_up()
        await self._server.all_caught_up()

    async def _started(self) -> None:
        changed = self._server.changed
        while not self._is_told and (self._start_when is None or self._server.subscribed < self._start_when):
            changed.clear()
            await changed.wait()

    def _play(self, frame: bytes) -> None:
        read = self._reader.read(frame)
        if read is None:
            self.played["skipped"] += 1
        elif isinstance(read, Snapshot):
            self.played["snapshot"] += 1
            self._books.snapshot(read)
        else:
            self.played["stream"] += 1
            if read.diff is not None:
                self._books.diff(read.symbol, read.diff)
            for stream in read.streams:
                if self._server.is_wanted(stream):
                    self._server.publish(stream, read.payload)


def split(frames: Iterable[TapedFrame]) -> tuple[list[TapedFrame], Iterable[TapedFrame]]:
    """The first frames, to look at beforehand, and the ones after them."""
    iterator = iter(frames)
    return list(itertools.islice(iterator, _PREFIX)), iterator
