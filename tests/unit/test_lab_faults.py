"""Fault scripts: the same seed the same script, files that are read or refused, and what each kind does to frames."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from perpscope.errors import ConfigError
from perpscope.lab import damage
from perpscope.lab.__main__ import main
from perpscope.lab.clock import LabClock
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.lab.interference import Interference
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.lab.wire.binance.streams import Route

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
START = 1_790_000_040_000_000_000
FRAME = b'{"e":"depthUpdate","E":1790000040123,"T":1790000040100,"s":"BTCUSDT","U":1001,"u":1007,"pu":1000}'


# scripts --------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_script() -> None:
    """A run that failed can be had again from its seed; another seed is another run."""
    kinds = list(FaultKind)
    one, again, other = (FaultScript.seeded(seed, "okx", kinds, count=30) for seed in (5, 5, 6))
    assert one == again
    assert one.faults != other.faults
    assert one.faults != FaultScript.seeded(5, "bybit", kinds, count=30).faults


def test_a_seeded_script_has_every_kind_before_any_comes_again() -> None:
    """Nothing is left out by bad luck, and faults do not overlap."""
    kinds = [FaultKind.CUT, FaultKind.MUTE, FaultKind.DELAY]
    script = FaultScript.seeded(1, "okx", kinds, count=9, targets={FaultKind.MUTE: ("path:public",)})
    assert Counter(fault.kind for fault in script.faults) == dict.fromkeys(kinds, 3)
    assert {fault.target for fault in script.faults if fault.kind is FaultKind.MUTE} == {"path:public"}
    ends = [fault.at_s + fault.for_s for fault in script.faults]
    assert all(fault.at_s > end for fault, end in zip(script.faults[1:], ends, strict=False))
    assert script.ends_s == ends[-1]
    assert FaultScript(()).ends_s == 0.0


TOML = """
seed = 4

[[fault]]
kind = "mute"
at_s = 30
for_s = 20.5
venue = "binance"
target = "path:market"

[[fault]]
kind = "status"
at_s = 5
for_s = 60
target = "rest:/fapi/v1/depth"
amount = 451
"""


def test_a_script_is_read_from_toml_and_json(tmp_path: Path) -> None:
    """Both forms say the same; faults come in the order they begin."""
    (tmp_path / "f.toml").write_text(TOML)
    faults = [
        {"kind": "mute", "at_s": 30, "for_s": 20.5, "venue": "binance", "target": "path:market"},
        {"kind": "status", "at_s": 5, "for_s": 60, "target": "rest:/fapi/v1/depth", "amount": 451},
    ]
    (tmp_path / "f.json").write_text(json.dumps({"seed": 4, "fault": faults}))
    script = FaultScript.read(tmp_path / "f.toml")
    assert script == FaultScript.read(tmp_path / "f.json")
    assert [fault.kind for fault in script.faults] == [FaultKind.STATUS, FaultKind.MUTE]
    assert script.seed == 4
    assert [fault.kind for fault in script.of_venue("okx").faults] == [FaultKind.STATUS]


@pytest.mark.parametrize(
    "text",
    [
        "[[fault]]\nkind = 'nonsense'\nat_s = 1",
        "[[fault]]\nkind='cut'\nat_s=-1",
        "seed = 1",
        "kind =",
        "[[fault]]\nat_s=1",
    ],
    ids=["unknown-kind", "negative-time", "no-fault", "no-toml", "no-kind"],
)
def test_a_script_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    """A typing error is named with its file, before anything runs."""
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        FaultScript.read(tmp_path / "f.toml")
    assert refused.value.code == "faults-unreadable"
    assert "f.toml" in refused.value.message


def test_the_lab_refuses_a_script_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--faults` with a wrong name: exit status 2 and one error."""
    assert main(["--faults", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "topic", "path", "request_path"),
    [("", True, True, True), ("topic:*@depth*", True, False, False), ("path:mar*", False, True, False)],
    ids=["everything", "topic", "path"],
)
def test_a_target_names_topics_paths_or_requests(target: str, topic: bool, path: bool, request_path: bool) -> None:
    """Nothing is hit that was not meant."""
    fault = Fault(FaultKind.DROP, 0.0, target=target)
    hits = fault.hits_topic("btcusdt@depth@100ms"), fault.hits_path("market"), fault.hits_request("/fapi/v1/depth")
    assert hits == (topic, path, request_path)
    assert not Fault(FaultKind.DROP, 0.0, target="topic:x").hits_topic("y")


# frames ---------------------------------------------------------------------------------------------------------------


def test_spoilt_frames_are_never_the_good_one() -> None:
    """No damage passes for a good frame: JSON as it was, or another figure where one stood."""
    rng = random.Random(2)
    for _ in range(2000):
        spoilt = damage.spoilt(FRAME, rng)
        assert spoilt != FRAME


def test_only_times_are_moved() -> None:
    """Ids of as many digits stay; a time in a string moves as well."""
    frame = b'{"ts":"1790000040123","id":1234567890123,"p":"1790000040123.5"}'
    moved = damage.shifted(frame, -3600.0, 1_790_000_040_000)
    assert json.loads(moved) == {"ts": "1789996440123", "id": 1234567890123, "p": "1790000040123.5"}
    assert json.loads(damage.in_seconds(FRAME, 1_790_000_040_000))["E"] == 1_790_000_040


def test_numbering_begins_anew() -> None:
    """Ids fall, their distances stay."""
    assert damage.highest_update_id(FRAME) == 1007
    assert damage.highest_update_id(b"{}") == 0
    renumbered = json.loads(damage.renumbered(FRAME, 990))
    assert (renumbered["pu"], renumbered["U"], renumbered["u"]) == (10, 11, 17)


def test_an_oversize_frame_is_as_long_as_asked() -> None:
    """Its length is the test's own."""
    assert len(damage.oversize(300_000)) == 300_000
    assert json.loads(damage.oversize(50))


class Wire:
    """Frames handed on, and what stands before."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        clock = LabClock(START, 100.0)
        clock.start()
        self.between = Interference(clock, lambda _, payload: self.got.append(payload), seed=1)

    def send(self, count: int, topic: str = "t") -> list[bytes]:
        """So many different frames."""
        frames = [b'{"u":%d,"E":1790000040123}' % number for number in range(1001, 1001 + count)]
        for frame in frames:
            self.between.take(topic, frame)
        return frames


def one(kind: FaultKind, amount: float = 0.0, target: str = "") -> Fault:
    """A fault of frames."""
    return Fault(kind, 0.0, 10.0, target=target, amount=amount)


async def test_without_faults_every_frame_passes() -> None:
    """And likewise those of other topics than a fault's."""
    wire = Wire()
    assert wire.send(3) == wire.got
    wire.between.begin(one(FaultKind.DROP, target="topic:other"))
    assert wire.send(3) == wire.got[3:]


async def test_dropped_frames_are_as_many_as_asked() -> None:
    """Two of five; or all of them."""
    wire = Wire()
    wire.between.begin(fault := one(FaultKind.DROP, 2))
    assert wire.send(5)[2:] == wire.got
    assert wire.between.hit[fault] == 2
    wire.between.end(fault)
    wire.between.begin(one(FaultKind.DROP))
    wire.send(5)
    assert len(wire.got) == 3


async def test_delayed_frames_arrive_in_order_even_when_it_ends(eventually: Wait) -> None:
    """TCP delays and never reorders: what is late at the end comes before what follows."""
    wire = Wire()
    wire.between.begin(fault := one(FaultKind.DELAY, 5.0))
    first = wire.send(3)
    assert wire.got == []
    await eventually(lambda: wire.got == first)
    second = wire.send(2)
    wire.between.end(fault)
    third = wire.send(1)
    assert wire.got == [*first, *second, *third]
    await asyncio.sleep(0.06)
    assert len(wire.got) == 6


async def test_reordered_frames_all_arrive(eventually: Wait) -> None:
    """None lost, none doubled, in another order; windows follow one another while it lasts."""
    wire = Wire()
    wire.between.begin(fault := one(FaultKind.REORDER, 1.0))
    sent = wire.send(50)
    await eventually(lambda: len(wire.got) == 50)
    assert sorted(wire.got) == sent != wire.got
    again = wire.send(50)
    wire.between.end(fault)
    assert sorted(wire.got[50:]) == again


@pytest.mark.parametrize(
    ("kind", "amount", "least", "most", "unchanged"),
    [
        (FaultKind.DUPLICATE, 0, 100, 300, 1.0),
        (FaultKind.NOISE, 0, 200, 200, 0.5),
        (FaultKind.FLIP, 0, 100, 100, 0.0),
        (FaultKind.SHIFT_TIMES, 3600, 100, 100, 0.0),
        (FaultKind.SECONDS, 0, 100, 100, 0.0),
        (FaultKind.RENUMBER, 0, 100, 100, 0.0),
        (FaultKind.MUTE, 0, 100, 100, 1.0),
    ],
    ids=lambda value: value.value if isinstance(value, FaultKind) else "",
)
async def test_frames_are_doubled_or_spoilt(
    kind: FaultKind, amount: float, least: int, most: int, unchanged: float
) -> None:
    """As many frames as the kind says, and as many of them as they were; a fault of connections leaves them alone."""
    wire = Wire()
    wire.between.begin(fault := one(kind, amount))
    sent = set(wire.send(100))
    assert least <= len(wire.got) <= most
    good = sum(frame in sent for frame in wire.got)
    assert good == unchanged * len(wire.got)
    assert wire.between.hit[fault] == 100


# on the exchange ------------------------------------------------------------------------------------------------------


class Client:
    """A WebSocket client that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ended = 0

    async def listen(self, lab: Lab, topic: str) -> None:
        """Hear one topic of Binance's, and again whenever the connection ends."""
        async with aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.ws_connect(f"{lab.websocket_url}/market/ws/{topic}", max_msg_size=0) as socket:
                        async for message in socket:
                            self.heard.append(str(message.data).encode())
                except aiohttp.ClientError:
                    pass
                self.ended += 1
                await asyncio.sleep(0.02)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Binance at twenty times the pace, every trade remembered."""
    async with await serve_market(7, 20.0, symbols=("BTC",), ts_start=START) as lab:
        lab.ledger.keep_truth = lambda topic: topic.endswith("@aggTrade")
        yield lab


@pytest.fixture
async def client(lab: Lab) -> AsyncIterator[Client]:
    """Somebody who hears the trades."""
    client = Client()
    listening = asyncio.create_task(client.listen(lab, "btcusdt@aggTrade"))
    yield client
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize(
    ("kind", "closed"),
    [
        (FaultKind.CUT, "cut"),
        (FaultKind.CUT_MID_FRAME, "cut-mid-frame"),
        (FaultKind.CLOSE, "lifetime"),
        (FaultKind.REFUSE, "refuse"),
        (FaultKind.IGNORE, "ignore"),
        (FaultKind.MISROUTE, "misroute"),
        (FaultKind.REFUSE_TOPIC, "refuse-topic"),
    ],
    ids=lambda value: value.value if isinstance(value, FaultKind) else "",
)
async def test_connections_end_and_the_truth_goes_on(
    lab: Lab, client: Client, eventually: Wait, kind: FaultKind, closed: str
) -> None:
    """The ledger says when, to whom and why; and it knows the trades that were told to nobody."""
    await eventually(lambda: len(client.heard) > 3)
    nemesis = lab.suffer(FaultScript.of([Fault(kind, 1.0, 10.0, "binance", "path:market")]))
    await eventually(lambda: client.ended > 0)
    await eventually(nemesis.is_over.is_set)
    (injected,) = lab.ledger.injected
    assert (injected.kind, injected.hit) == (kind.value, 1)
    assert 9.9e9 < injected.market_to - injected.market_from < 30e9
    assert lab.ledger.closed[closed] >= 1
    if kind is not FaultKind.MISROUTE:  # such a connection stays mute for its whole life
        heard = len(client.heard)
        await eventually(lambda: len(client.heard) > heard + 3)
    ids = [json.loads(told.payload)["a"] for told in lab.ledger.truth]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize("target", ["path:market", "topic:*@aggTrade"])
async def test_a_mute_ends_when_it_is_over(lab: Lab, client: Client, eventually: Wait, target: str) -> None:
    """Of a path or of one topic: the connection stays, nothing comes, then it goes on."""
    await eventually(lambda: len(client.heard) > 3)
    nemesis = lab.suffer(FaultScript.of([Fault(FaultKind.MUTE, 0.0, 20.0, "binance", target)]))
    await eventually(
        lambda: (
            target.removeprefix("path:") in [*lab.server.muted_paths, f"topic:*{''.join(lab.server.muted_topics)[7:]}"]
        )
    )
    await eventually(nemesis.is_over.is_set)
    missed = {json.loads(told.payload)["a"] for told in lab.ledger.truth}
    heard = len(client.heard)
    await eventually(lambda: len(client.heard) > heard)
    missed -= {json.loads(frame)["a"] for frame in client.heard}
    assert missed
    assert client.ended == 0
    assert lab.server.muted_paths == lab.server.muted_topics == []


async def test_a_stalled_connection_stays_half_open(lab: Lab, client: Client, eventually: Wait) -> None:
    """Nothing ends it, the fault's end neither: a peer that is gone does not come back."""
    await eventually(lambda: len(client.heard) > 3)
    nemesis = lab.suffer(FaultScript.of([Fault(FaultKind.STALL, 0.0, 5.0)]))
    await eventually(nemesis.is_over.is_set)
    heard, meant = len(client.heard), len(lab.ledger.truth)
    await eventually(lambda: len(lab.ledger.truth) > meant + 3)
    assert (len(client.heard), client.ended) == (heard, 0)


@pytest.mark.parametrize("kind", [FaultKind.CUT_MID_FRAME, FaultKind.CLOSE])
async def test_a_lab_with_a_half_open_connection_can_be_closed(
    lab: Lab, client: Client, eventually: Wait, kind: FaultKind
) -> None:
    """What would end a connection passes a half-open one by; the lab's end cuts it, and does not wait for ever."""
    await eventually(lambda: len(client.heard) > 3)
    nemesis = lab.suffer(FaultScript.of([Fault(FaultKind.STALL, 0.0, 5.0), Fault(kind, 1.0, 3.0)]))
    await eventually(nemesis.is_over.is_set)
    assert client.ended == 0
    async with asyncio.timeout(20.0):
        await lab.aclose()
    await eventually(lambda: client.ended == 1)


async def test_one_frame_too_long_and_a_second_snapshot(lab: Lab, client: Client, eventually: Wait) -> None:
    """Sent once, to whoever subscribed."""
    await eventually(lambda: len(client.heard) > 3)
    faults = [Fault(FaultKind.OVERSIZE, 0.0, amount=300_000), Fault(FaultKind.SNAPSHOT_AGAIN, 0.0)]
    nemesis = lab.suffer(FaultScript.of(faults))
    await eventually(nemesis.is_over.is_set)
    await eventually(lambda: any(len(frame) == 300_000 for frame in client.heard))
    assert [injected.hit for injected in lab.ledger.injected] == [1, 0]  # Binance's trades begin with nothing


async def test_frames_of_a_script_pass_through_the_interference(lab: Lab, client: Client, eventually: Wait) -> None:
    """What the ledger calls the truth stays whole while every frame is lost; counted, and over when it is over."""
    await eventually(lambda: len(client.heard) > 3)
    nemesis = lab.suffer(FaultScript.of([Fault(FaultKind.DROP, 0.5, 20.0, target="topic:*@aggTrade")]))
    await eventually(nemesis.is_over.is_set)
    heard = len(client.heard)
    await eventually(lambda: len(client.heard) > heard + 3)
    (injected,) = lab.ledger.injected
    ids = {json.loads(frame)["a"] for frame in client.heard}
    meant = [json.loads(told.payload)["a"] for told in lab.ledger.truth]
    lost = [number for number in meant if number not in ids and number < max(ids)]
    assert len(lost) == injected.hit > 0


@pytest.mark.parametrize(
    ("kind", "amount", "status", "body"),
    [
        (FaultKind.STATUS, 451, 451, b"restricted location"),
        (FaultKind.STATUS, 418, 418, b""),
        (FaultKind.STATUS, 429, 429, b"-1003"),
        (FaultKind.STATUS, 503, 503, b"upstream"),
        (FaultKind.HTML, 0, 200, b"<!DOCTYPE html>"),
        (FaultKind.EMPTY, 0, 200, b""),
        (FaultKind.HANG, 0.05, 200, b"serverTime"),
    ],
    ids=["451", "418", "429", "503", "html", "empty", "hang"],
)
async def test_requests_are_answered_wrongly_while_it_lasts(
    lab: Lab, eventually: Wait, kind: FaultKind, amount: float, status: int, body: bytes
) -> None:
    """Only those meant, only meanwhile, and they are counted."""
    fault = Fault(kind, 0.0, 30.0, target="rest:/fapi/v1/time", amount=amount)
    async with aiohttp.ClientSession() as http:
        nemesis = lab.suffer(FaultScript.of([fault]))
        await asyncio.sleep(0)
        async with http.get(f"{lab.rest_url}/fapi/v1/time") as reply:
            assert reply.status == status
            assert body in await reply.read()
            assert ("Retry-After" in reply.headers) == (status in (418, 429))
        async with http.get(f"{lab.rest_url}/fapi/v1/exchangeInfo") as reply:
            assert reply.status == 200
        await eventually(nemesis.is_over.is_set)
        async with http.get(f"{lab.rest_url}/fapi/v1/time") as reply:
            assert b"serverTime" in await reply.read()
    assert lab.ledger.injected[0].hit == 1


async def test_a_stale_answer_is_that_of_before(lab: Lab, eventually: Wait) -> None:
    """Word for word what the same question got; a new question is answered well."""
    async with aiohttp.ClientSession() as http:

        async def asked(query: str) -> dict[str, int]:
            async with http.get(f"{lab.rest_url}/fapi/v1/depth?symbol=BTCUSDT&limit={query}") as reply:
                answer: dict[str, int] = await reply.json()
                return answer

        before = await asked("5")
        await eventually(lambda: lab.ledger.events["BookDelta"] > 20)
        lab.suffer(FaultScript.of([Fault(FaultKind.STALE, 0.0, 1000.0, target="rest:*/depth")]))
        await asyncio.sleep(0)
        assert await asked("5") == before
        assert (await asked("10"))["lastUpdateId"] > before["lastUpdateId"]


async def test_a_script_is_cut_short_with_its_lab() -> None:
    """What lasts at the end is entered as well."""
    async with await serve_market(7, 1.0, symbols=("BTC",), ts_start=START) as lab:
        lab.suffer(FaultScript.of([Fault(FaultKind.REFUSE, 0.0, 1000.0), Fault(FaultKind.CUT, 900.0, 1.0)]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [injected.kind for injected in lab.ledger.injected] == ["refuse"]


async def test_nothing_begins_while_the_clock_is_held(eventually: Wait) -> None:
    """A script counts market time."""
    async with await serve_market(7, 20.0, symbols=("BTC",), ts_start=START, is_held=True) as lab:
        nemesis = lab.suffer(FaultScript.of([Fault(FaultKind.MUTE, 2.0, 1.0, target=f"path:{Route.MARKET.value}")]))
        await asyncio.sleep(0.25)
        assert not nemesis.is_over.is_set()
        lab.start()
        await eventually(nemesis.is_over.is_set)
        assert lab.ledger.injected[0].market_from >= START + 2 * 10**9
