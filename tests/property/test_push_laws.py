"""Whatever the timing: a client that applies what it is told ends with the newest, and knows exactly what it missed."""

import asyncio
from typing import TypeAlias

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.pushing import Follower

from perpscope.web.push.channels import EventChannel, StateChannel
from perpscope.web.push.client import SLOW, STALLED_S, Client
from perpscope.web.push.wire import Connection, unframed

_KEEP = 12
_Step: TypeAlias = tuple[str, str, int | None]
_CHANGE = st.tuples(st.just("change"), st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 3)))
_HAPPEN = st.tuples(st.just("happen"), st.just("events"), st.integers(1, 9))
_TURN = st.tuples(st.just("turn"), st.just(""), st.none())
_DRAIN = st.tuples(st.just("drain"), st.just(""), st.integers(1, 400))
_AGAIN = st.tuples(st.just("subscribe"), st.sampled_from(["state", "events"]), st.none())
_STEPS = st.lists(st.one_of(_CHANGE, _HAPPEN, _TURN, _TURN, _DRAIN, _AGAIN), max_size=120)


class Pipe(asyncio.Transport):
    """A transport whose other end takes bytes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = bytearray()
        self.taken = bytearray()
        self.most = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.waiting += data
        self.most = max(self.most, len(self.waiting))

    def get_write_buffer_size(self) -> int:
        """What waits."""
        return len(self.waiting)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def drain(self, most: int) -> None:
        """The other end takes some."""
        self.taken += self.waiting[:most]
        del self.waiting[:most]

    def messages(self) -> list[bytes]:
        """The whole messages that were taken."""
        found, at = [], 0
        while at < len(self.taken):
            head = self.taken[at + 1]
            size = head if head < 126 else int.from_bytes(self.taken[at + 2 : at + 4], "big")
            until = at + size + (2 if head < 126 else 4)
            found.append(unframed(bytes(self.taken[at:until])))
            at = until
        return found


class Scene:
    """Two channels, one client, one pipe."""

    def __init__(self) -> None:
        self.state, self.events = StateChannel("state", {}), EventChannel("events", keep=_KEEP)
        self.pipe = Pipe()
        self.client = Client(400, Connection(self.pipe), monotonic=lambda: 0.0)
        self.client.at = {self.state: None, self.events: None}
        self.truth: dict[str, int | None] = {}
        self.happened = 0

    def step(self, what: str, which: str, number: int | None) -> None:
        """One thing happens."""
        match what:
            case "change":
                self.state.change({which: msgspec.json.encode(number)})
                self.truth[which] = number
            case "happen":
                for _ in range(number or 0):
                    self.happened += 1
                    self.events.add(b"%d" % self.happened)
            case "drain":
                self.pipe.drain(number or 0)
            case "subscribe":
                self.client.at[self.state if which == "state" else self.events] = None
                self.client.tell(0)
            case _:
                self.turn()

    def turn(self) -> None:
        """An update."""
        self.state.turn(0)
        self.events.turn(0)
        self.client.tell(0)

    def settle(self) -> Follower:
        """The client takes everything there is."""
        self.turn()
        for _ in range(200):
            self.pipe.drain(1_000_000)
            self.client.tell(0)
        self.pipe.drain(1_000_000)
        follower = Follower()
        for text in self.pipe.messages():
            follower.take(text)
        return follower


@given(_STEPS)
def test_a_client_ends_with_the_newest_state_whatever_the_timing(steps: list[_Step]) -> None:
    """Deltas and snapshots, however few of them came through, add up to what is; every number adds up too."""
    scene = Scene()
    for step in steps:
        scene.step(*step)
    follower = scene.settle()
    assert follower.wrong == []
    assert follower.state["state"] == {name: value for name, value in scene.truth.items() if value is not None}
    assert follower.seq["state"] == scene.state.seq


@given(_STEPS)
def test_events_come_in_order_and_what_is_missing_was_told(steps: list[_Step]) -> None:
    """Each row stands at its own number, so that what did not come is exactly what `dropped` counts."""
    scene = Scene()
    for step in steps:
        scene.step(*step)
    follower = scene.settle()
    assert follower.wrong == []
    assert follower.seq["events"] == scene.events.seq == scene.happened
    for text in scene.pipe.messages():
        message = msgspec.json.decode(text)
        if message["ch"] == "events":
            rows, seq = message["data"], message["seq"]
            assert rows == list(range(seq - len(rows) + 1, seq + 1))


@given(_STEPS)
def test_what_waits_for_a_client_is_bounded(steps: list[_Step]) -> None:
    """However little it takes, no more waits than its room and one message."""
    scene = Scene()
    for step in steps:
        scene.step(*step)
    scene.settle()
    largest = max((len(text) for text in scene.pipe.messages()), default=0) + 4
    assert scene.pipe.most <= scene.client.room + largest


def test_a_slow_client_is_told_what_it_missed() -> None:
    """Thirty updates while it takes nothing: the state comes whole, the events go on with the rows still kept."""
    scene = Scene()
    scene.turn()
    for number in range(30):
        scene.step("change", "a", number)
        scene.step("happen", "events", 2)
        scene.turn()
    follower = scene.settle()
    assert follower.wrong == []
    assert follower.state["state"] == {"a": 29}
    assert follower.dropped["state"] + follower.dropped["events"] > 30
    assert scene.happened == len(follower.rows["events"]) + follower.dropped["events"]


def test_a_client_that_takes_nothing_is_ended_in_time() -> None:
    """Held for longer than the bound, it is ended with a code and a reason; one that takes something is not."""
    now = [0.0]
    pipe = Pipe()
    client = Client(1_000, Connection(pipe), monotonic=lambda: now[0])
    pipe.write(b"x" * 600)
    client.check()
    now[0] = STALLED_S - 1
    pipe.drain(200)
    client.check()
    pipe.write(b"x" * 200)
    client.check()
    now[0] += STALLED_S + 1
    assert client.ended is None
    client.check()
    assert client.ended == (SLOW, "nothing was taken for 15 s")


def test_a_client_with_too_much_waiting_is_ended_at_the_next_look() -> None:
    """One large message is allowed; what still waits when there is more to tell is too much."""
    pipe = Pipe()
    client = Client(4_096, Connection(pipe), monotonic=lambda: 0.0)
    pipe.write(b"x" * 5_000)
    client.check()
    assert client.ended is None
    client.check()
    assert client.ended == (SLOW, "4 kB wait, 4 may")
