"""Proof that a book is right: its top against the venue's own best bid and ask, by update id and never by arrival.

In: the top after each applied delta or streamed snapshot, and every quote. Out: how many were compared, how many were
equal. After the delta `u` the top must equal the last quote with `u' <= u`, in price and size; as quotes may arrive
after the delta they belong before, a delta waits until a quote with a later id has been seen.
"""

from collections import deque
from typing import Final

from perpscope.engine.book import Top
from perpscope.model.market import Quote

#: Quotes remembered, and tops waiting for their quote, at most.
_REMEMBERED: Final = 20_000


class BookCheck:
    """Compares one instrument's book with its quotes."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self.compared = 0  #: tops that had a quote to be compared with
        self.equal = 0  #: of these, equal in price and size
        self.coinciding = 0  #: of these, tops whose update id is the quote's own
        self.coinciding_equal = 0
        self.dropped = 0  #: tops that could not be judged, because too much had to be remembered or a stream broke off
        self._quotes: deque[Quote] = deque(maxlen=remembered)  # ids rise
        self._forgotten_id: int | None = None  # of the newest quote that made room for another
        self._waiting: deque[tuple[int, Top | None]] = deque(maxlen=remembered)  # ids rise

    def quoted(self, quote: Quote) -> None:
        """Take the venue's own best bid and ask; one that is numbered apart from the book proves nothing."""
        if not quote.update_id:
            return
        quotes, waiting = self._quotes, self._waiting
        if quotes and quote.update_id <= (last := quotes[-1]).update_id:
            if quote.update_id == last.update_id or quote.ts_event <= last.ts_event:
                return
            self.forget()  # the venue numbers anew
        while waiting and waiting[0][0] < quote.update_id:
            self._judge(*waiting.popleft())
        if len(quotes) == quotes.maxlen:
            self._forgotten_id = quotes[0].update_id
        quotes.append(quote)

    def applied(self, update_id: int, top: Top | None) -> None:
        """Take the book's top as it is after the delta or streamed snapshot `update_id`."""
        if self._waiting and self._waiting[-1][0] > update_id:
            self.forget()  # the venue numbers anew
        if self._quotes and self._quotes[-1].update_id > update_id:
            self._judge(update_id, top)
            return
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append((update_id, top))

    def finish(self) -> None:
        """Judge what still waits: no more quotes will come."""
        while self._waiting:
            self._judge(*self._waiting.popleft())

    def forget(self) -> None:
        """Start anew after a stream broke off: quotes may be missing."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._quotes.clear()
        self._forgotten_id = None

    def _judge(self, update_id: int, top: Top | None) -> None:
        quotes = self._quotes
        while len(quotes) > 1 and quotes[1].update_id <= update_id:
            quotes.popleft()
        if not quotes or quotes[0].update_id > update_id:
            # Either the quotes began later than the book, or the one that counts had to be forgotten.
            self.dropped += self._forgotten_id is not None and self._forgotten_id <= update_id
            return
        quote = quotes[0]
        is_equal = top == (quote.bid, quote.bid_size, quote.ask, quote.ask_size)
        self.compared += 1
        self.equal += is_equal
        if quote.update_id == update_id:
            self.coinciding += 1
            self.coinciding_equal += is_equal
