"""Frames of every venue as the lab speaks it: one connection's worth of a busy market, and a mix of fixed shares.

In: a venue's name. Out: frames by what they mean, and a shuffled stretch of them. The lab writes what the venue
documents, in its order of keys; prices, sizes and numbers of levels are those of the lab's market.
"""

import random
from collections import defaultdict
from collections.abc import Sequence

from perpscope.lab.dialect import Dialogue
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent
from perpscope.model.stream import Channel, Control, Ignored
from perpscope.ports import Decoder, Venue

#: Per hundred frames, for every venue alike, so that one line of figures can be held against another. A recording of
#: one busy Binance contract (2024-08-08) has 70 quotes, 23 trades and 7 book changes in a hundred; the rarer kinds are
#: added at their cadences. Quotes and single trades cost least to decode, so whatever is done besides weighs most.
SHARES = {
    "Quote": 55,
    "Trade": 25,
    "Book": 10,
    "Candle": 5,
    "Ticker": 4,
    "Liquidation": 1,
}
#: A receipt after everything the frames are stamped with, and within a day of it: some decoders compare.
RECEIVED_NS = START_NS + 7_200_000_000_000
_CHANNELS = (
    Channel.TRADES,
    Channel.QUOTES,
    Channel.BOOK,
    Channel.CANDLES_1M,
    Channel.MARK_PRICES,
    Channel.OPEN_INTEREST,
    Channel.LIQUIDATIONS,
)
#: What is told of mark price, index, funding and open interest, together or apart, changed or not.
_TICKER = {"MarkPrice", "OpenInterest", "unchanged", "mark-price-unknown", "list"}
_ROUND_S = 30.0
_MOST_ROUNDS = 8
_ENOUGH = 12  #: frames of each kind; liquidations are the rarest, and some venues have no channel for them


class Tape:
    """What one venue's lab said in a few market minutes.

    Args:
        venue: whose dialect.
    """

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        stage = Rehearsal(venue.name, symbols=("BTC", "ETH"), activity=25.0)
        self.catalogue = {listing.instrument.symbol: listing.instrument for listing in stage.listings}
        self.frames: dict[str, list[bytes]] = defaultdict(list)  #: by first word of what they mean
        dialogues = _subscribe(stage, venue, list(self.catalogue.values()))
        decoder = self.decoder()
        for _ in range(_MOST_ROUNDS):
            stage.run(_ROUND_S)
            for topic, payload in stage.heard:
                (dialogue,) = (each for each in dialogues if topic in each.topics)
                self._sort(dialogue.wrapped(topic, payload) if dialogue.form else payload, decoder)
            stage.heard.clear()
            if all(len(self.frames.get(kind, [])) >= _ENOUGH for kind in SHARES):
                break

    def decoder(self) -> Decoder:
        """A fresh one that knows the contracts traded."""
        return self.venue.decoder(self.catalogue)

    def _sort(self, payload: bytes, decoder: Decoder) -> None:
        decoded = decoder.decode(payload, RECEIVED_NS)
        if not isinstance(decoded, Control):
            self.frames[_kind(decoded)].append(payload)

    def mix(self, length: int = 10_000) -> list[bytes]:
        """A shuffled stretch of the shares above; kinds the venue has not are left out."""
        tape: list[bytes] = []
        for kind, share in SHARES.items():
            known = self.frames.get(kind, [])
            tape += [known[n % len(known)] for n in range(share * length // 100) if known]
        random.Random(7).shuffle(tape)
        return tape


def _kind(decoded: list[MarketEvent] | Ignored) -> str:
    """What a frame is, in one word."""
    event = decoded if isinstance(decoded, Ignored) or not decoded else decoded[0]
    word = event.reason if isinstance(event, Ignored) else type(event).__name__
    if word in _TICKER:
        return "Ticker"
    return "Book" if word.startswith("Book") else word


def _subscribe(stage: Rehearsal, venue: Venue, instruments: Sequence[Instrument]) -> list[Dialogue]:
    """Open the venue's own plan of connections."""
    dialogues: list[Dialogue] = []
    for plan in venue.plan(instruments, _CHANNELS):
        dialogue = stage.dialogue(plan.path)
        if dialogue is None:
            raise LookupError(f"the lab of {venue.name} has no {plan.path}")
        names = [topic.name for topic in plan.topics]
        for start in range(0, len(names), venue.dialogue.topics_per_request):
            share = names[start : start + venue.dialogue.topics_per_request]
            stage.hear(dialogue, venue.dialogue.subscribe(share, 1))
        dialogues.append(dialogue)
    return dialogues
