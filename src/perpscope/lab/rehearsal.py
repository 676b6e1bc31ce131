"""A venue's dialect on a stage without sockets: market, publisher and dialogues in one synchronous object, for tests.

In: topics to listen to, market seconds to pass, messages and requests. Out: the frames and answers, as bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.clock import NS_PER_MS, NS_PER_S, LabClock
from perpscope.lab.dialect import Answer, Call, Dialogue, Heard, PrivateSide, RestSide, SessionRules, dialect
from perpscope.lab.listing import Listing
from perpscope.lab.market import Market
from perpscope.lab.overheard import Overheard
from perpscope.lab.publisher import Publisher

START_NS = 1_795_219_200 * NS_PER_S  #: 2026-11-21T00:00:00Z


class Rehearsal:
    """One venue's exchange; a `Floor` for dialogues and an `Outlet` for its teller.

    Args:
        venue: whose dialect.
        seed: of the market.
        symbols: what is traded, in the venue's names or as bases; eight contracts if empty.
        ts_start: ns UTC, on a whole second.
        activity: moments per second at which something happens in each symbol.
        crowds: people who trade a coin, by base.
    """

    def __init__(
        self,
        venue: str,
        seed: int = 7,
        symbols: tuple[str, ...] = (),
        ts_start: int = START_NS,
        activity: float = 6.0,
        crowds: Mapping[str, Crowd] | None = None,
    ) -> None:
        self.wire = dialect(venue)
        self.heard: list[tuple[str, bytes]] = []  #: frames published to wanted topics, in order
        self.counts: Counter[str] = Counter()  #: what a ledger would have in `events`
        self.refused: set[str] = set()  #: topics to refuse
        self.rules: SessionRules = self.wire.rules
        self.connections = 1
        self.now_s = 0.0  #: real seconds, as told to dialogues and REST
        self._wanted: set[str] = set()
        self._ts = ts_start
        self._clock = LabClock(ts_start, float("inf"))
        self.market = Market(seed, ts_start, symbols, activity, wire=self.wire, crowds=crowds)
        self.publisher = Publisher(self.market, self._clock, self, self.wire.teller)
        self.private: PrivateSide | None = None  #: accounts, where the venue has any
        if self.wire.private is not None:
            self.private = self.wire.private(self.publisher, self)
            self.publisher.teller = Overheard(self.publisher.teller, self.private)
        self.side: RestSide = self.private or self.wire.rest(self.publisher)

    # Floor and Outlet ----------------------------------------------------------------------------------------------

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded."""
        return self.publisher.listings

    @property
    def now_ms(self) -> int:
        """Market time."""
        return self._ts // NS_PER_MS

    @property
    def subscribed(self) -> int:
        """Topics somebody listens to."""
        return len(self._wanted)

    def is_refused(self, topic: str) -> bool:
        """True for what was put into `refused`."""
        return topic in self.refused

    def opening(self, topic: str) -> Sequence[bytes]:
        """What a new subscriber gets first."""
        return self.publisher.opening(topic)

    @property
    def wall_ms(self) -> int:
        """The market's clock: there is no other here."""
        return self.now_ms

    def ask(self, call: Call) -> Answer:
        """What the REST side replies to a request."""
        return self.side.answer(call)

    def is_wanted(self, topic: str) -> bool:
        """True for what is listened to."""
        return topic in self._wanted

    def publish(self, topic: str, payload: bytes) -> None:
        """Keep it, if it is listened to."""
        if topic in self._wanted:
            self.heard.append((topic, payload))

    def count(self, kind: str) -> None:
        """Count it."""
        self.counts[kind] += 1

    # the play ------------------------------------------------------------------------------------------------------

    def wants(self, *topics: str) -> None:
        """Listen to these, from the next frame on."""
        self._wanted.update(topics)

    def unwanted(self, *topics: str) -> None:
        """Listen to these no more."""
        self._wanted.difference_update(topics)

    def run(self, seconds: float) -> None:
        """Let market time pass."""
        self._ts += int(seconds * NS_PER_S)
        for ts, event in self.market.events(self._ts):
            self._clock.advance_to(ts)
            self.publisher.publish(ts, event)
        self._clock.advance_to(self._ts)
        self.publisher.pass_time(self._ts)

    def payloads(self, topic: str) -> list[bytes]:
        """The frames of one topic."""
        return [payload for name, payload in self.heard if name == topic]

    def dialogue(self, target: str) -> Dialogue | None:
        """A connection to a path; its topics are listened to at once."""
        opened = self.wire.dialogue(target, self)
        if opened is not None:
            self.wants(*opened.topics)
        return opened

    def hear(self, dialogue: Dialogue | None, message: bytes) -> Heard:
        """Say something on a connection, with all its consequences."""
        assert dialogue is not None, "no such path"  # noqa: S101 (a test's mistake)
        heard = dialogue.hear(message, self.now_s)
        dialogue.topics.update(dict.fromkeys(heard.subscribed))
        self.wants(*heard.subscribed)
        for topic in heard.unsubscribed:
            dialogue.topics.pop(topic, None)
        self.unwanted(*heard.unsubscribed)
        return heard

    def say(self, dialogue: Dialogue | None, message: bytes) -> list[bytes]:
        """Say something on a connection; the frames it is answered, data among them."""
        return [frame.payload for frame in self.hear(dialogue, message).frames]

    def get(self, path: str, **query: str) -> Answer:
        """A GET request."""
        return self.side.answer(Call("GET", path, query, b"", self.now_s))

    def post(self, path: str, body: bytes) -> Answer:
        """A POST request."""
        return self.side.answer(Call("POST", path, {}, body, self.now_s))
