"""What is done about silent streams: each step once, in order, with time to help, and never a storm of connections."""

from structlog.testing import capture_logs

from perpscope.engine.silence import Silent
from perpscope.feeds.remedies import Remedies
from perpscope.model.instrument import InstrumentId
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic


def stream(number: int) -> Stream:
    """A stream of its own for each number."""
    return Stream(Channel.QUOTES, InstrumentId(f"COIN{number}-USDT-PERP.OKX"))


STREAMS = [stream(number) for number in range(20)]


class Hand:
    """A connection that notes what it is asked to do."""

    silent_after_s = 5.0

    def __init__(self, *streams: Stream, venue: str = "okx") -> None:
        self.venue = venue
        self.plan = ConnectionPlan(f"{venue}/public/0", "/", (Topic("t", streams),))
        self.streams = frozenset(streams)
        self.silent_s: float | None = 0.1
        self.is_ready = True
        self.renewed: list[Stream] = []
        self.replaced: list[str] = []

    def renew(self, one: Stream) -> bool:
        """Subscribe anew."""
        self.renewed.append(one)
        return True

    def replace(self, cause: str) -> bool:
        """Make room for another."""
        if self.is_ready:
            self.replaced.append(cause)
        return self.is_ready


def silent(*streams: Stream, bound_s: float = 10.0, venue: str = "okx") -> list[Silent]:
    """What the engine says."""
    return [Silent(venue, one, 1, bound_s) for one in streams]


class Care:
    """Remedies, one connection, and a clock."""

    def __init__(self, *connections: Hand, rate: float = 1.0) -> None:
        self.connections = connections
        self.remedies = Remedies(rate)
        self.now = 1_000.0

    def look(self, found: list[Silent], after_s: float = 1.0) -> None:
        """Let time pass, then look."""
        self.now += after_s
        self.remedies.look(found, self.connections, self.now)  # type: ignore[arg-type]  # what it uses of one is there


def test_the_steps_are_taken_in_turn_and_each_is_given_its_time() -> None:
    """Anew at once; the connection after the stream's bound; then nothing more for ten minutes. Keeps B5."""
    hand = Hand(*STREAMS[:3], STREAMS[3])
    care = Care(hand)
    for _ in range(10):
        care.look(silent(STREAMS[0]))
    assert (hand.renewed, hand.replaced) == ([STREAMS[0]], [])
    care.look(silent(STREAMS[0]), 2.0)
    assert hand.replaced == ["silent-stream"]
    for _ in range(590):
        care.look(silent(STREAMS[0]))
    assert (len(hand.renewed), len(hand.replaced)) == (1, 1)
    for _ in range(20):
        care.look(silent(STREAMS[0]))
    assert len(hand.replaced) == 2
    for _ in range(1_170):
        care.look(silent(STREAMS[0]))
    assert len(hand.replaced) == 2  # the second wait is twice as long
    care.look(silent(STREAMS[0]), 60.0)
    assert len(hand.replaced) == 3


def test_a_stream_that_is_healed_is_a_new_case_only_after_a_while() -> None:
    """A book sent whole to whoever subscribes, and nothing after that, is not asked for that way twice."""
    hand = Hand(STREAMS[0])
    care = Care(hand)
    care.look(silent(STREAMS[0]))
    care.look([], 5.0)
    care.look(silent(STREAMS[0]), 10.0)
    assert (len(hand.renewed), len(hand.replaced)) == (1, 1)
    care.look([], 130.0)
    care.look(silent(STREAMS[0]))
    assert len(hand.renewed) == 2


def test_many_at_once_are_a_matter_of_their_connection() -> None:
    """Nine streams of one connection: it is replaced at once, not subscribed nine times over."""
    hand = Hand(*STREAMS)
    care = Care(hand)
    care.look(silent(*STREAMS[:9]))
    assert (hand.renewed, hand.replaced) == ([], ["silent-stream"])


def test_a_connection_that_is_all_quiet_is_left_to_itself() -> None:
    """Neither one that is not open, nor one that is about to be given up, nor another venue's, is touched."""
    closed, quiet, other = Hand(STREAMS[0]), Hand(STREAMS[0]), Hand(STREAMS[0], venue="bybit")
    closed.silent_s, quiet.silent_s = None, 4.0
    care = Care(closed, quiet, other)
    for _ in range(30):
        care.look(silent(STREAMS[0]))
    assert [hand.renewed + hand.replaced for hand in (closed, quiet, other)] == [[], [], []]


def test_a_connection_that_is_not_ready_is_asked_again() -> None:
    """Still subscribing: the replacement waits until it can be made."""
    hand = Hand(*STREAMS)
    hand.is_ready = False
    care = Care(hand)
    care.look(silent(*STREAMS))
    hand.is_ready = True
    care.look(silent(*STREAMS))
    assert hand.replaced == ["silent-stream"]


def test_bounds_are_market_time_and_patience_is_real() -> None:
    """At sixty times the speed ten minutes of market time are ten seconds; never less than five."""
    hand, hasty = Hand(STREAMS[0]), Hand(STREAMS[1])
    care = Care(hand, hasty, rate=60.0)
    found = silent(STREAMS[0], bound_s=600.0) + silent(STREAMS[1], bound_s=1.0)
    care.look(found)
    care.look(found, 5.5)
    assert (hand.replaced, hasty.replaced) == ([], ["silent-stream"])
    care.look(found, 5.0)
    assert hand.replaced == ["silent-stream"]


def test_each_case_is_told_once_when_found_and_once_when_nothing_helps() -> None:
    """A warning for all that is found together, one for the replacement, an error in the end; no more. Keeps B5."""
    care = Care(Hand(*STREAMS[:2]))
    with capture_logs() as entries:
        for _ in range(200):
            care.look(silent(*STREAMS[:2]))
    assert [(entry["log_level"], entry["event"]) for entry in entries] == [
        ("warning", "streams are silent"),
        ("warning", "connection is replaced"),
        ("error", "streams stay silent"),
    ]
    assert entries[0]["streams"] == ["quotes COIN0-USDT-PERP.OKX", "quotes COIN1-USDT-PERP.OKX"]


def test_nothing_silent_is_nothing_to_do() -> None:
    """The ordinary Tick."""
    hand = Hand(*STREAMS)
    Care(hand).look([])
    assert (hand.renewed, hand.replaced) == ([], [])
