"""Polls: every one in turn, at its own pace, its reply's events in the inbox; a failure costs one turn, not others."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from perpscope.engine.coverage import CoverageLedger
from perpscope.errors import FrameError, PerpscopeError, RateLimited, VenueUnreachable
from perpscope.feeds import poll as poll_module
from perpscope.feeds.answers import Answered, Answers, cause_of, connection_of
from perpscope.feeds.clock import Anchor, MarketClock, wall_ns
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.poll import Poller
from perpscope.feeds.recording import Header, Kind, Recorder, mark_of
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    Alive,
    Covered,
    Disconnected,
    Gap,
    MarketEvent,
    OpenInterest,
    Subscribed,
    Tick,
    Unheard,
)
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, HttpRequest, Poll, Stream
from perpscope.ports import Http
from perpscope.venues.binance import VENUE, Binance

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

SECOND = 1_000_000_000
BTC = VENUE.instrument_named("BTCUSDT")
assert BTC is not None
STREAM = Stream(Channel.OPEN_INTEREST, BTC.id)
RATIOS = Stream(Channel.ACCOUNT_RATIOS, BTC.id)
NAME = "binance/polls/open_interest/BTC-USDT-PERP.BINANCE"
POLLS = [
    Poll(name=f"binance/open_interest/{coin}", request=HttpRequest(path=f"/{coin}"), streams=(STREAM,), every_s=60.0)
    for coin in ("A", "B")
]


class Counting(Binance):
    """Reads a reply that is nothing but a number."""

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        assert poll.startswith("binance/open_interest/")
        assert catalogue == {}
        return [OpenInterest(STREAM.instrument or "", ts_recv, ts_recv, float(raw), None)]  # type: ignore[arg-type]  # it has one


class HandHttp:
    """Answers each path with a count of its calls; `/B` fails the first time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, request: HttpRequest) -> bytes:
        self.asked.append(request.path)
        if request.path == "/B" and self.asked.count("/B") == 1:
            raise VenueUnreachable("no answer", venue="binance")
        return str(self.asked.count(request.path)).encode()


class SlowHttp(HandHttp):
    """Never answers `/slow`."""

    async def get(self, request: HttpRequest) -> bytes:
        if request.path == "/slow":
            self.asked.append(request.path)
            await asyncio.Event().wait()
        return await super().get(request)


@asynccontextmanager
async def polling(
    polls: Sequence[Poll], http: Http, recorder: Recorder | None = None
) -> AsyncIterator[tuple[Poller, list[Arrival]]]:
    """A poller at sixty times real time, and what it tells."""
    clock, inbox = MarketClock(), Inbox()
    clock.follow(Anchor(1_790_000_000 * SECOND, wall_ns(), 60.0))
    poller = Poller(Counting(), polls, {}, http=http, inbox=inbox, clock=clock, recorder=recorder, rng=random.Random(1))
    events: list[Arrival] = []

    async def drain() -> None:
        async for batch in inbox.batches():
            events.extend(batch)

    tasks = [asyncio.create_task(poller.run()), asyncio.create_task(drain())]
    try:
        yield poller, events
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_polls_take_turns_and_failures_cost_one(eventually: Wait, tmp_path: Path) -> None:
    """Keeps S2-37. At sixty times real time each poll comes about once a second; replies are recorded by name."""
    http, recorder = HandHttp(), Recorder(tmp_path / "r", Header(venue="binance", data="demo"))
    async with polling(POLLS, http, recorder) as (poller, events):
        assert poller.channels == {Channel.OPEN_INTEREST}
        assert poller.every_s(Channel.OPEN_INTEREST) == 60.0
        await eventually(lambda: any(isinstance(event, Alive) for event in events) and len(http.asked) >= 4)
        assert poller.subscribed == [NAME]
    recorder.close()
    assert poller.failures == 1
    assert poller.calls == len(http.asked) >= 4
    assert poller.last_error is not None
    records = list(Tape(tmp_path / "r").records())
    replies = [record for record in records if record.kind == Kind.REPLY]
    assert {record.source for record in replies} == {poll.name for poll in POLLS}
    assert len(replies) == sum(isinstance(event, OpenInterest) for event in events)
    marks = [mark_of(record) for record in records if record.kind == Kind.EVENT]
    assert marks == [event for event in events if not isinstance(event, OpenInterest)]


async def test_a_slow_reply_does_not_delay_the_others(eventually: Wait) -> None:
    """One that never comes is given up at its deadline; meanwhile the others are asked again and again."""
    slow = Poll(name="binance/open_interest/slow", request=HttpRequest(path="/slow"), streams=(RATIOS,), every_s=60.0)
    http = SlowHttp()
    async with polling([slow, *POLLS], http) as (poller, _):
        await eventually(lambda: http.asked.count("/A") >= 3 and http.asked.count("/B") >= 3)
        assert http.asked.count("/slow") == 1
        assert poller.calls == len(http.asked)


async def test_a_reply_that_never_comes_is_given_up_and_asked_for_again(
    eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its own deadline, as a failure like any other."""
    monkeypatch.setattr(poll_module, "_LEAST_DEADLINE_S", 0.1)
    slow = Poll(name="binance/open_interest/slow", request=HttpRequest(path="/slow"), streams=(RATIOS,), every_s=60.0)
    http = SlowHttp()
    async with polling([slow], http) as (poller, _):
        await eventually(lambda: http.asked.count("/slow") >= 2)
        assert poller.failures == 1
        assert poller.last_error == "no answer to binance/open_interest/slow in 1 s"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RateLimited("slow down", venue="binance", retry_after_s=1.0), "rate-limited"),
        (VenueUnreachable("nobody", venue="binance"), "unreachable"),
        (FrameError("HTTP 500", venue="binance"), "refused"),
        (PerpscopeError("code", "anything else"), "unanswered"),
    ],
    ids=["rate-limited", "unreachable", "refused", "other"],
)
def test_a_gap_of_polls_names_its_cause(error: PerpscopeError, cause: str) -> None:
    """What a person reads in the ledger is why the venue did not answer."""
    assert cause_of(error) == cause


def ratio_polls() -> list[Poll]:
    """Two endpoints that one stream needs, each asked every five minutes."""
    return [
        Poll(name=f"binance/account_ratios/{kind}", request=HttpRequest(path=kind), streams=(RATIOS,), every_s=300.0)
        for kind in ("all", "top")
    ]


EVERY = {"binance/account_ratios/all": 300.0, "binance/account_ratios/top": 300.0}
TOP, ALL = "binance/account_ratios/top", "binance/account_ratios/all"


def told(ledger: CoverageLedger, marks: Sequence[Answered], tick_s: float) -> list[Covered | Gap]:
    """What the real ledger makes of marks, and of the two Ticks after them."""
    found: list[Covered | Gap] = []
    for mark in marks:
        match mark:
            case Subscribed():
                found += ledger.subscribed(mark)
            case Alive():
                found += ledger.alive(mark)
            case Disconnected():
                found += ledger.disconnected(mark)
            case Unheard():
                found += ledger.unheard(mark)
    for extra in (0, 1):
        found += ledger.tick(Tick(round((tick_s + extra) * SECOND)))
    return found


def spans(events: Sequence[Covered | Gap]) -> list[tuple[str, float, float | None]]:
    """The last word on each interval, in seconds."""
    last = {(type(e).__name__, e.ts_from): e.ts_to for e in events}
    return [(kind, start / SECOND, None if end is None else end / SECOND) for (kind, start), end in last.items()]


def test_one_answered_poll_to_the_next_is_covered() -> None:
    """Keeps B6. From the first reply on, up to the last; the gap of missing replies begins at the last good one."""
    answers, ledger = Answers("binance", POLLS[:1]), CoverageLedger()
    name = POLLS[0].name
    assert spans(told(ledger, answers.replied(name, 100 * SECOND), 101)) == []
    assert spans(told(ledger, answers.replied(name, 160 * SECOND), 161)) == [("Covered", 100, 160)]
    answers.failed(name, "refused")
    assert answers.overdue(309 * SECOND, {name: 60.0}, 1.0) == []
    marks = answers.overdue(311 * SECOND, {name: 60.0}, 1.0)
    assert spans(told(ledger, marks, 311)) == [("Covered", 100, 160), ("Gap", 160, None)]
    assert [mark.cause for mark in marks if isinstance(mark, Disconnected | Unheard)] == ["refused", "refused"]
    assert answers.overdue(999 * SECOND, {name: 60.0}, 1.0) == []
    assert answers.connections == []
    assert spans(told(ledger, answers.replied(name, 1000 * SECOND), 1001)) == [("Gap", 160, 1000)]
    assert answers.connections == [connection_of("binance", STREAM)] == [NAME]


def test_a_stream_of_several_polls_is_seen_up_to_the_oldest() -> None:
    """One endpoint that goes silent costs the whole stream from its last reply on, with that endpoint's cause."""
    answers, ledger = Answers("binance", ratio_polls()), CoverageLedger()
    assert told(ledger, answers.replied(ALL, 10 * SECOND), 11) == []
    assert told(ledger, answers.replied(TOP, 20 * SECOND), 21) == []
    assert spans(told(ledger, answers.replied(ALL, 310 * SECOND), 311)) == []
    assert spans(told(ledger, answers.replied(TOP, 320 * SECOND), 321)) == [("Covered", 20, 310)]
    for turn in (2, 3, 4):
        told(ledger, answers.replied(ALL, (10 + 300 * turn) * SECOND), 11 + 300 * turn)
        answers.failed(TOP, "rate-limited")
    found = told(ledger, answers.overdue(1211 * SECOND, EVERY, 1.0), 1212)
    assert spans(found)[-1] == ("Gap", 320, None)
    assert [event.cause for event in found if isinstance(event, Gap)] == ["rate-limited"]


def test_what_never_was_answered_is_a_gap_too() -> None:
    """It begins when the bound has passed since the first look, and ends with the first reply."""
    answers, ledger = Answers("binance", POLLS[:1]), CoverageLedger()
    name = POLLS[0].name
    assert answers.overdue(0, {name: 60.0}, 1.0) == []
    found = told(ledger, answers.overdue(151 * SECOND, {name: 60.0}, 1.0), 151)
    assert spans(found) == [("Gap", 151, None)]
    assert spans(told(ledger, answers.replied(name, 200 * SECOND), 201)) == [("Gap", 151, 200)]


def test_first_replies_that_stay_the_only_ones_end_in_a_gap() -> None:
    """A stream whose second replies never come was never covered; it is missing all the same."""
    answers, ledger = Answers("binance", ratio_polls()), CoverageLedger()
    told(ledger, [*answers.replied(ALL, 10 * SECOND), *answers.replied(TOP, 20 * SECOND)], 21)
    found = told(ledger, answers.overdue(800 * SECOND, EVERY, 1.0), 800)
    ((kind, start, end),) = spans(found)
    assert (kind, end) == ("Gap", None)
    assert 20 <= start <= 800


def test_a_busy_machine_at_a_high_rate_is_not_a_gap() -> None:
    """Half a minute of real time is always allowed: at sixty times real time, half an hour of market time."""
    answers = Answers("binance", POLLS[:1])
    name = POLLS[0].name
    answers.replied(name, 0)
    assert answers.overdue(1799 * SECOND, {name: 60.0}, 60.0) == []
    assert answers.overdue(1801 * SECOND, {name: 60.0}, 60.0) != []
