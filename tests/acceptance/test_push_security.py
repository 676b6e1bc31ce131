"""Who may listen: tickets of pages, Origin, and keys that end while a stream is open. The whole app, a real server."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from perpscope.app import key_file
from perpscope.app.key_file import Scope
from perpscope.settings import Settings, Web
from perpscope.web.app import create_app
from perpscope.web.push.wire import UVICORN
from tests.acceptance.test_push import reading
from tests.pushing import Heart, serving

Wait = Callable[[Callable[[], bool]], Awaitable[None]]


class Service:
    """The app with one key."""

    def __init__(self, where: str, keys: Path, key_id: str, text: str) -> None:
        self.where, self.keys, self.key_id, self.text = where, keys, key_id, text

    async def ticket(self) -> str:
        """One for the key."""
        headers = {"Authorization": f"Bearer {self.text}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"http://{self.where}/api/v1/stream/ticket") as response,
        ):
            assert response.status == 200
            ticket: str = (await response.json())["ticket"]
            return ticket


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """The app, served."""
    keys = tmp_path / "keys.json"
    key, text = key_file.add(keys, label="page", scopes=[Scope.READ], days=None, now_ns=time.time_ns())
    app = create_app(Settings(web=Web(keys=str(keys))), None, live=Heart().live, endpoints=())
    async with serving(app, **{**UVICORN, "lifespan": "on"}) as where:
        yield Service(where, keys, key.id, text)


async def test_a_page_comes_in_with_a_ticket_once(service: Service) -> None:
    """The ticket of a key opens one stream; the second time it is refused, and so is another page's. Security S3."""
    ticket = await service.ticket()
    url, origin = f"ws://{service.where}/api/v1/stream?channels=gaps&ticket={ticket}", Origin(f"http://{service.where}")
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, origin=Origin("http://elsewhere.example"))
    assert refused.value.response.status_code == 403
    async with connect(url, origin=origin) as connection:
        assert msgspec.json.decode(await connection.recv())["ch"] == "gaps"
        with pytest.raises(InvalidStatus) as again:
            await connect(url, origin=origin)
        assert again.value.response.status_code == 401
        assert msgspec.json.decode(again.value.response.body or b"")["code"] == "ticket-wrong"


async def test_a_stream_ends_with_its_key(service: Service, eventually: Wait) -> None:
    """A key that is revoked closes what it opened within seconds, a WebSocket with 4401, an event stream too.

    Security S11.
    """
    ticket = await service.ticket()
    url = f"ws://{service.where}/api/v1/stream?channels=gaps&ticket={ticket}"
    stream = f"http://{service.where}/api/v1/liquidations/real-time"
    headers = {"X-API-Key": service.text}
    async with (
        connect(url, origin=Origin(f"http://{service.where}")) as connection,
        aiohttp.ClientSession(headers=headers) as session,
        session.get(stream) as events,
        reading(service.where, "gaps") as other,
    ):
        await eventually(lambda: bool(other.seq))
        key_file.revoke(service.keys, service.key_id, now_ns=time.time_ns())
        began = time.monotonic()
        await connection.wait_closed()
        assert (connection.close_code, connection.close_reason) == (4401, "the key has ended")
        assert (await events.content.read()).startswith(b"retry")
        assert time.monotonic() - began < 10.0
        assert other.closed is None


async def test_a_long_message_does_not_pass_the_door(service: Service, eventually: Wait) -> None:
    """4 kB is all a client may send at once. Security S21."""
    async with reading(service.where, "gaps") as told:
        await told.connection.send("x" * 70_000)
        await eventually(lambda: told.closed is not None)
        assert told.closed is not None
        assert told.closed[0] == 1009
