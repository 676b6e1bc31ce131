"""The webhook against a receiver on loopback: what is posted, how it is signed, what is tried again and what is not."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web
from tests.unit.told import ALERT, alert, silence

from perpscope.notify.credentials import Credential
from perpscope.notify.log import LogSink
from perpscope.notify.webhook import SIGNATURE, WebhookSink

KEY = "the-webhooks-own-secret"


class Receiver:
    """Somebody's own program that takes posts."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[web.Response] = []
        self.visits = 0
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        """Keep a post; answer what is ordered, else 200."""
        self.posts.append((dict(request.headers), await request.read()))
        return self.answers.pop(0) if self.answers else web.Response(text="ok")

    async def elsewhere(self, _: web.Request) -> web.Response:
        """Where nobody should be led."""
        self.visits += 1
        return web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """It listens on loopback."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook/secret-path", made.take)
    app.router.add_route("*", "/elsewhere", made.elsewhere)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/secret-path?k=v"
    yield made
    await runner.cleanup()


class Naps:
    """Sleeps of no time, with how long they were to be."""

    def __init__(self) -> None:
        self.lengths: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Remember it."""
        self.lengths.append(seconds)


async def posted(
    url: str, of: Callable[[WebhookSink], Coroutine[Any, Any, Any]], key: str | None = KEY
) -> tuple[Any, Naps]:
    """A delivery, and the waits it took."""
    naps = Naps()
    sink = WebhookSink(url, None if key is None else Credential(key), "en", timeout_s=2.0, sleep=naps)
    try:
        return await of(sink), naps
    finally:
        await sink.aclose()


async def test_an_alert_is_posted_and_signed(receiver: Receiver) -> None:
    """The body has every figure and the words; a receiver can check in two lines that it is ours and fresh."""
    delivery, _ = await posted(receiver.url, lambda sink: sink.tell(ALERT))
    assert (delivery.is_sent, delivery.sink, delivery.phase) == (True, "webhook", "raised")
    headers, body = receiver.posts[0]
    told = json.loads(body)
    assert told["kind"] == "alert"
    assert told["alert"]["values"] == {"long_liq_usd_5m": 6_200_000.0}
    assert told["alert"]["data"] == "observed"
    assert told["text"].startswith("🔻 BTC long liquidations")
    at, signed = headers[SIGNATURE].removeprefix("t=").split(",v1=")
    assert signed == hmac.new(KEY.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Idempotency-Key"] == f"{ALERT.id}:raised"
    assert headers["Content-Type"] == "application/json"


async def test_a_saying_is_posted_too_and_unsigned_without_a_secret(receiver: Receiver) -> None:
    """Silences go the same way; without a secret there is no signature that means nothing."""
    delivery, _ = await posted(receiver.url, lambda sink: sink.say(silence()), key=None)
    assert delivery.is_sent
    headers, body = receiver.posts[0]
    assert SIGNATURE not in headers
    assert json.loads(body)["saying"]["told"]["venue"] == "okx"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_receiver_in_trouble_is_asked_again(receiver: Receiver, status: int) -> None:
    """It is tried again with growing waits, the same post by its Idempotency-Key."""
    receiver.answers = [web.Response(status=status), web.Response(status=status, headers={"Retry-After": "30"})]
    delivery, naps = await posted(receiver.url, lambda sink: sink.tell(ALERT))
    assert delivery.is_sent
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.posts}) == 1
    assert 0.8 <= naps.lengths[0] <= 1.2
    assert 24.0 <= naps.lengths[1] <= 36.0


async def test_it_gives_up_after_four_tries(receiver: Receiver) -> None:
    """A receiver that stays ill gets four posts, and the delivery says so."""
    receiver.answers = [web.Response(status=500) for _ in range(9)]
    delivery, naps = await posted(receiver.url, lambda sink: sink.tell(ALERT))
    assert (delivery.is_sent, delivery.why) == (False, "HTTP 500, 4 times")
    assert len(receiver.posts) == 4
    assert len(naps.lengths) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_no_is_a_no(receiver: Receiver, status: int) -> None:
    """What the receiver does not want is not pressed on it."""
    receiver.answers = [web.Response(status=status)]
    delivery, _ = await posted(receiver.url, lambda sink: sink.tell(ALERT))
    assert (delivery.is_sent, delivery.why, len(receiver.posts)) == (False, f"HTTP {status}", 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_it_is_led_nowhere_else(receiver: Receiver, status: int) -> None:
    """A redirect is an error: whoever takes over the receiver cannot turn our posts against another host."""
    receiver.answers = [web.Response(status=status, headers={"Location": "/elsewhere"})]
    delivery, _ = await posted(receiver.url, lambda sink: sink.tell(ALERT))
    assert delivery.why == f"HTTP {status} (a redirect, which is not followed)"
    assert receiver.visits == 0


async def test_what_goes_wrong_is_told_without_the_path_or_the_key() -> None:
    """The address may be a secret itself; the delivery log and the page show neither it nor the key."""
    delivery, _ = await posted("http://127.0.0.1:1/hook/secret-path?k=v", lambda sink: sink.tell(ALERT))
    assert delivery.why is not None
    assert "Connect" in delivery.why
    assert "secret-path" not in delivery.why
    assert KEY not in delivery.why


async def test_a_receiver_that_hangs_holds_up_four_posts_at_most(receiver: Receiver) -> None:
    """Others wait, and beyond a bound are dropped at once: no memory grows behind a receiver that never answers."""
    going = asyncio.Event()

    async def sleep(_: float) -> None:
        await going.wait()

    receiver.answers = [web.Response(status=500) for _ in range(4)]
    sink = WebhookSink(receiver.url, None, "en", sleep=sleep)
    tasks = [asyncio.create_task(sink.tell(alert(coin=f"C{n}"))) for n in range(205)]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result().why for task in done} == {"200 others wait"}
    going.set()
    found = await asyncio.gather(*tasks)
    assert sum(delivery.is_sent for delivery in found) == 200
    await sink.aclose()


async def test_the_log_sink_is_always_there() -> None:
    """Without anything set up, alerts are lines of the log, and count as told."""
    sink = LogSink("en")
    assert (await sink.tell(ALERT)).is_sent
    assert (await sink.say(silence())).is_sent
    sink.recall([])
    await sink.run()
    await sink.aclose()
