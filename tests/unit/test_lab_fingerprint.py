"""The hash of what the exchanges tell first: what is in it, and what does not change it."""

import asyncio
from collections.abc import Sequence

import pytest

from perpscope.lab.clock import NS_PER_S, LabClock
from perpscope.lab.dialect import VENUES, Call, dialect
from perpscope.lab.fingerprint import TOPICS, Witness, complete, frames_hash, topics
from perpscope.lab.market import Market
from perpscope.lab.publisher import Publisher

START = 1_795_219_200 * NS_PER_S  # 2026-11-21T00:00:00Z
DAYS = 2 * 86_400 * NS_PER_S


class Audience:
    """An outlet that wants some topics and keeps what it gets."""

    def __init__(self, wanted: Sequence[str] = ()) -> None:
        self.wanted = set(wanted)
        self.heard: list[tuple[str, bytes]] = []
        self.counted = 0

    def is_wanted(self, topic: str) -> bool:
        """True for what it wants."""
        return topic in self.wanted

    def publish(self, topic: str, payload: bytes) -> None:
        """Keep what it wants."""
        if topic in self.wanted:
            self.heard.append((topic, payload))

    def count(self, kind: str) -> None:
        """Count it."""
        self.counted += len(kind) > 0


class Kept(Witness):
    """A witness that can tell what it heard."""

    def __init__(self, venue: str, ts_start: int, minutes: float) -> None:
        super().__init__(venue, ts_start, minutes)
        self.heard: list[tuple[str, bytes]] = []

    def hear(self, topic: str, payload: bytes) -> None:
        """Keep it, too."""
        self.heard.append((topic, payload))
        super().hear(topic, payload)


def opened(
    venue: str,
    minutes: float,
    *,
    seed: int = 7,
    start: int = START,
    audience: Audience | None = None,
    clock: LabClock | None = None,
) -> tuple[Kept, Publisher]:
    """One venue's exchange without sockets, and who hears it from the start."""
    wire = dialect(venue)
    market = Market(seed, start, ("BTC",), wire=wire)
    witness = Kept(venue, start, minutes)
    clock = clock or LabClock(start, float("inf"))
    return witness, Publisher(market, clock, audience or Audience(), witness.around(wire.teller))


def lived(venue: str, seconds: int, step_s: int = 1, **how: object) -> Kept:
    """A witness of some seconds, told in steps."""
    witness, publisher = opened(venue, 0.25, **how)  # type: ignore[arg-type]  # as `opened` takes them
    for second in range(0, seconds + 1, step_s):
        publisher.tell_until(START + second * NS_PER_S)
    return witness


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_hashed_is_told_whether_anybody_listens_or_not(venue: str) -> None:
    """Nobody, somebody, in small steps or large, and longer than is hashed: the same frames, so the same hash."""
    alone = lived(venue, 20)
    with_somebody = lived(venue, 40, 20, audience=Audience(sorted(alone.topics)))
    assert alone.is_done
    assert alone.heard == with_somebody.heard
    assert alone.digest() == with_somebody.digest()
    assert alone.frames == len(alone.heard) > 50


@pytest.mark.parametrize("venue", VENUES)
def test_whoever_comes_later_changes_nothing(venue: str) -> None:
    """A new subscriber gets his snapshots, an asker his answers, from a lab that lags far behind its clock.

    What the others are told, and so the hash, is as if nobody had come.
    """
    minutes, steps = 1.2, range(0, 144)
    alone, quiet = opened(venue, minutes)
    for half in steps:
        quiet.tell_until(START + half * NS_PER_S // 2)
    clock = LabClock(START, float("inf"))
    witness, publisher = opened(venue, minutes, clock=clock)
    side = dialect(venue).rest(publisher)
    for half in steps:
        now = START + half * NS_PER_S // 2
        clock.advance_to(now + 45 * NS_PER_S)
        publisher.tell_until(now)
        for topic in sorted(witness.topics) if half else ():
            publisher.opening(topic)
        side.answer(Call("POST", "/info", {}, b'{"type":"metaAndAssetCtxs"}', 0.01 * half))
    assert witness.heard == alone.heard


@pytest.mark.parametrize("venue", VENUES)
def test_who_listens_hears_what_is_hashed(venue: str) -> None:
    """The frames on their way to a client are those that are hashed, byte for byte and in order."""
    audience = Audience()
    witness, publisher = opened(venue, 0.25, audience=audience)
    audience.wanted = set(witness.topics)
    publisher.tell_until(START + 16 * NS_PER_S)
    assert witness.heard == audience.heard[: len(witness.heard)]
    assert len(audience.heard) > len(witness.heard)
    assert audience.counted > 100


@pytest.mark.parametrize("venue", VENUES)
def test_every_stated_topic_is_one_the_venue_tells(venue: str) -> None:
    """Protects the list from a topic that nobody publishes: trades, books, candles and marks come within seconds."""
    witness = lived(venue, 20)
    told = {topic for topic, _ in witness.heard}
    assert told <= witness.topics
    rare = ("orce", "iquidation")  # forced orders may take longer
    assert {topic for topic in witness.topics - told if not any(word in topic for word in rare)} == set()
    assert len(TOPICS[venue]) >= 7


def test_another_seed_is_another_hash() -> None:
    """Protects against a hash of nothing."""
    assert lived("binance", 16).digest() != lived("binance", 16, seed=8).digest()


def test_times_count_from_the_start() -> None:
    """Milliseconds and nanoseconds near the start are told apart from ids and prices; the day is not in the hash."""
    witness = Witness("binance", START)
    ms = START // 1_000_000
    payload = b'{"E":%d,"ns":%d012345,"id":1234567890123,"p":"0.1795219200000","u":9%d,"T":%d}' % (ms, ms, ms, ms - 5)
    assert witness.timeless(payload) == (
        b'{"E":+0,"ns":+0012345,"id":1234567890123,"p":"0.1795219200000","u":9%d,"T":-5}' % ms
    )
    later = Witness("binance", START + DAYS)
    assert later.timeless(payload.replace(b"%d" % ms, b"%d" % (ms + DAYS // 1_000_000))).startswith(b'{"E":+0,')


@pytest.mark.parametrize("venue", VENUES)
def test_trades_and_books_of_another_day_are_the_same(venue: str) -> None:
    """The same seed on another day: not one of these frames differs, but for its times."""
    first = lived(venue, 16)
    witness, publisher = opened(venue, 0.25, start=START + DAYS)
    publisher.tell_until(START + DAYS + 16 * NS_PER_S)
    told = [
        [(topic, each.timeless(payload)) for topic, payload in each.heard if "trade" in topic.lower() or "ook" in topic]
        for each in (first, witness)
    ]
    assert told[0] == told[1]
    assert len(told[0]) > 20


def test_the_rest_is_told_at_once() -> None:
    """A market that ends early is witnessed to the end of the time; what was told already is not told again."""
    whole = lived("okx", 20)
    witness, publisher = opened("okx", 0.25)
    publisher.tell_until(START + 7 * NS_PER_S)
    assert not witness.is_done
    publisher.ts_reached = START + 7 * NS_PER_S
    asyncio.run(complete([witness], [publisher]))
    assert witness.heard == whole.heard
    asyncio.run(complete([witness], []))
    assert frames_hash([witness]) == frames_hash([whole])


def test_the_venues_order_is_of_no_account() -> None:
    """One hash of all of them, by name; another venue's frames are another hash."""
    one, other = lived("bybit", 16), lived("okx", 16)
    assert frames_hash([one, other]) == frames_hash([other, one]) != frames_hash([one])
    assert topics("okx", []) == frozenset()
