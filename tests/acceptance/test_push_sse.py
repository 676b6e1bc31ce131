"""Liquidations as an event stream: rows with numbers, going on where one left off, and what went lost said."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import connect

from perpscope.model.bulletin import Topic
from perpscope.web.push import sse
from perpscope.web.push.tape import Tape, Wanted
from perpscope.web.push.wire import UVICORN
from tests.pushing import ETH, STATUS, STOCK, Heart, pushing

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
PATH = "/api/liquidations/real-time"


class Events:
    """Reads an event stream as the standard says."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.rows: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.gaps: list[int | None] = []
        self.beats = 0
        self.is_over = False

    async def read(self) -> None:
        """Until it ends."""
        event: dict[str, str] = {}
        with suppress(aiohttp.ClientError):
            async for raw in self.response.content:
                text = raw.decode().rstrip("\n")
                assert text[:4] in {"", "id: ", "data", "even", "retr", ": he"}
                if text.startswith(":"):
                    self.beats += 1
                elif text:
                    name, _, value = text.partition(": ")
                    event[name] = value
                else:
                    self._take(event)
                    event = {}
        self.is_over = True

    def _take(self, event: dict[str, str]) -> None:
        if event.get("event") == "gap":
            self.gaps.append(msgspec.json.decode(event["data"])["missed"])
        elif "data" in event:
            self.rows.append(msgspec.json.decode(event["data"]))
            self.ids.append(event["id"])

    @property
    def sizes(self) -> list[float]:
        """The rows' numbers."""
        return [row["size"] for row in self.rows]


@asynccontextmanager
async def events(where: str, last: str = "", **query: str | int) -> AsyncIterator[Events]:
    """An event stream that is read."""
    headers = {"Last-Event-ID": last} if last else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{where}{PATH}", params=query, headers=headers) as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        found = Events(response)
        reading = asyncio.create_task(found.read())
        try:
            yield found
        finally:
            reading.cancel()
            (end,) = await asyncio.gather(reading, return_exceptions=True)
            assert end is None or isinstance(end, asyncio.CancelledError), end


@pytest.mark.parametrize("how", [UVICORN, STOCK], ids=["ours", "any-server"])
async def test_rows_come_as_events_with_their_label(how: Mapping[str, object], eventually: Wait) -> None:
    """What was before to begin with, then each as it happens; symbol and size are asked for. Keeps S0-39."""
    heart = Heart()
    async with pushing(heart, how) as (hub, where):
        heart.tells(Topic.STATUS, STATUS, "heart")
        heart.liquidations([1, 2])
        await eventually(lambda: hub.tape.seq == 2)
        async with events(where) as all_, events(where, symbol="eth", min_usd=50_000, recent=0) as large:
            await eventually(lambda: all_.sizes == [1.0, 2.0] and hub.connections == 2)
            heart.liquidations([3], ETH, usd=1_000.0)
            heart.liquidations([4], ETH, usd=70_000.0)
            heart.liquidations([5])
            await eventually(lambda: all_.sizes == [1.0, 2.0, 3.0, 4.0, 5.0] and large.sizes == [4.0])
            assert all_.ids == [f"{hub.life}-{n}" for n in range(1, 6)]
            assert {row["data"] for row in all_.rows} == {"demo"}
            assert {row["completeness"] for row in all_.rows} == {"sampled"}
        await eventually(lambda: hub.connections == 0)


async def test_a_reader_goes_on_where_it_left_off(eventually: Wait) -> None:
    """With the id of its last row it gets what came since, and nothing twice."""
    heart = Heart()
    async with pushing(heart) as (hub, where):
        heart.liquidations(range(1, 8))
        await eventually(lambda: hub.tape.seq == 7)
        async with events(where, last=f"{hub.life}-4") as back:
            await eventually(lambda: back.sizes == [5.0, 6.0, 7.0])
            assert back.gaps == []


async def test_a_reader_that_was_away_for_too_long_is_told_what_it_missed(
    eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many rows are no longer kept; of another life of the face nobody knows how many."""
    heart = Heart()
    async with pushing(heart) as (hub, where):
        monkeypatch.setattr(hub.tape, "_keep", 5)
        heart.liquidations(range(1, 13))
        await eventually(lambda: hub.tape.seq == 12)
        async with events(where, last=f"{hub.life}-4") as late, events(where, last="00000000-4", recent=2) as other:
            await eventually(lambda: late.sizes == [8.0, 9.0, 10.0, 11.0, 12.0])
            assert late.gaps == [3]
            await eventually(lambda: other.sizes == [11.0, 12.0])
            assert other.gaps == [None]


async def test_a_quiet_stream_beats(eventually: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments come while nothing happens, so that a reader knows the line is open."""
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr("perpscope.web.push.hub._LOOK_S", 0.05)
    monkeypatch.setattr("perpscope.web.push.hub.HEARTBEAT_S", 0.05)
    async with pushing(Heart()) as (_, where), events(where) as quiet:
        await eventually(lambda: quiet.beats > 2)


async def test_the_same_path_is_a_websocket_too() -> None:
    """The same rows, as messages of a channel that has the filters in its name."""
    heart = Heart()
    async with pushing(heart) as (_, where), connect(f"ws://{where}{PATH}?symbol=BTC&min_usd=50000") as connection:
        begun = msgspec.json.decode(await connection.recv())
        assert (begun["ch"], begun["type"], begun["data"]) == ("liquidations:BTC@50000", "snapshot", [])
        heart.liquidations([1], usd=10.0)
        heart.liquidations([2])
        told = msgspec.json.decode(await connection.recv())
        assert [row["size"] for row in told["data"]] == [2.0]
        assert (told["seq"], told["type"]) == (1, "delta")


async def test_a_question_that_makes_no_sense_is_refused() -> None:
    """422 with the names that are wrong; HEAD opens no stream."""
    async with pushing(Heart()) as (hub, where), aiohttp.ClientSession() as session:
        async with session.get(f"http://{where}{PATH}?min_usd=-1&hours=3") as refused:
            assert refused.status == 422
            assert refused.content_type == "application/problem+json"
            assert {error["pointer"] for error in (await refused.json())["errors"]} == {"/min_usd", "/hours"}
        async with session.head(f"http://{where}{PATH}") as head:
            assert (head.status, head.content_type) == (200, "text/event-stream")
        assert hub.connections == 0


async def test_open_streams_do_not_hold_up_the_end_of_the_service(eventually: Wait) -> None:
    """A reader of events and a WebSocket are closed when the server is asked to end."""
    heart = Heart()
    async with pushing(heart) as (hub, where):
        stream = events(where)
        open_ = await stream.__aenter__()
        connection = await connect(f"ws://{where}/api/v1/stream?channels=gaps")
        await eventually(lambda: hub.connections == 2)
    await eventually(lambda: open_.is_over)
    await connection.wait_closed()
    assert connection.close_code == 1012
    assert hub.connections == 0
    await stream.__aexit__(None, None, None)


def test_the_tape_forgets_the_oldest_and_says_how_many() -> None:
    """A ring: what is asked for and no longer there is counted, what is there comes in order."""
    tape, wanted = Tape(keep=3), Wanted(None, 10.0)
    assert tape.since(0, wanted).rows == []
    for number in range(1, 6):
        tape.add(("BTC",), float(number * 5), b"%d" % number)
    found = tape.since(0, wanted)
    assert (found.missed, [row.seq for row in found.rows], found.at) == (2, [3, 4, 5], 5)
    assert [row.seq for row in tape.recent(2, wanted)] == [4, 5]
    assert [row.seq for row in tape.recent(9, Wanted("ETH"))] == []
