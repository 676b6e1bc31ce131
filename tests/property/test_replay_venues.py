"""Several venues recorded by real sessions: the replay brings the events the run brought, in the same order."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.app import venues
from perpscope.app.replay import replay_tape
from perpscope.app.replay_cast import cast
from perpscope.feeds.recording import Header, Mark, Recorder
from perpscope.feeds.session import Session
from perpscope.feeds.tape import Tape
from perpscope.model.market import Alive, Connected, Disconnected, Gap, MarketEvent, Subscribed, Tick, Unheard
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, ConnectionPlan, Stream
from perpscope.ports import Dialogue, Venue
from perpscope.settings import Feed

START = 1_790_757_203_020_000_000
#: Written by hand after each venue's pages; `%d` tells one from another. The last of each is broken.
FRAMES = {
    "binance": [
        b'{"e":"aggTrade","E":1790757203016,"s":"BTCUSDT","a":%d,"p":"8.5","q":"1","T":1790757203001,"m":true}',
        b'{"e":"bookTicker","u":%d,"s":"ETHUSDT","b":"8","B":"2.5","a":"9","A":"1.0","T":1790757203001,"E":1790757203016}',
        b'{"e":"24hrTicker","s":"BTCUSDT","n":%d}',
        b'{"e":"aggTrade","n":%d}',
    ],
    "hyperliquid": [
        b'{"channel":"l2Book","data":{"coin":"BTC","time":179075720%d,"levels":[[],[{"px":"9","sz":"1","n":1}]]}}',
        b'{"channel":"candle","data":{"t":1790757180000,"T":1790757239999,"s":"BTC","i":"1m","o":"1","c":"2","h":"2",'
        b'"l":"1","v":"%d","n":2}}',
        b'{"channel":"pong","n":%d}',
        b'{"channel":"trades","n":%d}',
    ],
    "okx": [
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"%d",'
        b'"px":"8.5","sz":"5","side":"buy","ts":"1790757203050","count":"1","seqId":5}]}',
        b'{"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP",'
        b'"markPx":"8.%d","ts":"1790757203050"}]}',
        b'{"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{"n":%d}]}',
        b'{"arg":{"channel":"trades"},"n":%d}',
    ],
}
POLL = "binance/open_interest/BTCUSDT"
REPLY = b'{"symbol":"BTCUSDT","openInterest":"%d.5","time":1790757203016}'


class Owner:
    """The least a session needs: rules, and somewhere to keep frames."""

    def __init__(self, venue: Venue, recorder: Recorder) -> None:
        self.plan = ConnectionPlan(f"{venue.name}/public/0", "/", ())
        self.dialogue: Dialogue = venue.dialogue
        self.settings = Feed()
        self.silent_after_s = 60.0
        self.recorder: Recorder | None = recorder
        self.suspects: list[str] = []
        self.lead_ns = 0

    def tell(self, event: Subscribed | Unheard | Gap) -> None:
        """Nothing is subscribed here."""
        raise AssertionError(event)


class Run:
    """Three venues, a connection each, recorded into one file."""

    def __init__(self, path: Path) -> None:
        self.events: list[MarketEvent] = []
        self.recorder = Recorder(path, Header(venue="binance", data="observed"))
        self.now = START
        self._sessions: dict[str, Session] = {}
        for name in FRAMES:
            self._open(name)

    def _mark(self, mark: Mark) -> None:
        self.recorder.event(mark)
        self.events.append(mark)

    def _open(self, name: str) -> None:
        venue = venues.find(name)
        owner = Owner(venue, self.recorder)
        connection = owner.plan.name
        self._sessions[name] = Session(connection, name, owner, venue.decoder({}), self.events.extend, lambda: self.now)
        self._mark(Connected(name, connection, self.now))
        self._mark(Subscribed(name, connection, (Stream(Channel.TRADES, None),), self.now))

    def step(self, what: str, venue: str, number: int) -> None:
        """Something happens, a moment later."""
        self.now += 1_000_000 * (1 + number)
        session = self._sessions[venue]
        match what:
            case "frame":
                session.on_frame(FRAMES[venue][number % 4] % number, self.now)
            case "again":
                self._mark(Disconnected(session.name, "disconnect", self.now))
                self._open(venue)
            case "unheard":
                self._mark(Unheard(venue, session.name, (Stream(Channel.BOOK, None),), "refused", self.now))
            case "tick":
                self._mark(Alive(session.name, self.now, session.frames, self.now))
                self._mark(Tick(self.now))
            case _:
                self.recorder.reply(POLL, self.now, REPLY % number)
                self.events += venues.find("binance").polled_events(POLL, REPLY % number, self.now, {})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["frame", "frame", "frame", "again", "unheard", "tick", "reply"]),
        st.sampled_from([*FRAMES]),
        st.integers(1000, 9999),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_a_replay_is_the_run_again(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]) -> None:
    """Whatever comes when, from whom: the same events, and every frame counted once."""
    run = Run(tmp_path_factory.mktemp("run") / "r")
    for step in steps:
        run.step(*step)
    run.recorder.close()
    feed = cast(Tape(run.recorder.path), None, None, print).feed()

    async def drain() -> list[Arrival]:
        return [event async for batch in feed.batches() for event in batch]

    assert asyncio.run(drain()) == run.events
    sent = [number % 4 for what, _, number in steps if what == "frame"]
    assert (feed.counts.frames, feed.counts.rejected) == (len(sent), sent.count(3))
    report = replay_tape(run.recorder.path)
    heard = {"binance" if what == "reply" else venue for what, venue, _ in steps if what in ("frame", "reply")}
    assert (set(report.venues), report.form) == (heard, "perpscope")


def test_every_kind_of_frame_is_among_them(tmp_path: Path) -> None:
    """The frames above are what they are meant to be: two with events, one passed over, one broken."""
    run = Run(tmp_path / "r")
    for venue, frames in FRAMES.items():
        for number in range(1000, 1000 + len(frames)):
            before = len(run.events)
            run.step("frame", venue, number)
            assert (len(run.events) > before) == (number % 4 < 2), (venue, number)
    run.recorder.close()
    report = replay_tape(run.recorder.path)
    assert (report.decoded, report.control + sum(report.ignored.values()), report.rejected) == (6, 3, 3)
