"""Private calls against real servers on loopback: signed with the venue's time, counted, bounded, and secret."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
from aiohttp import web
from tests.unit.test_feed_rest import NOWHERE, PLENTY, Answer, client, saying, served

from perpscope.errors import RateLimited, VenueUnreachable
from perpscope.feeds import private_calls
from perpscope.feeds.clock import Anchor, MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.private_calls import CallHealth, Keys, PrivateCalls
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.exchange import Ending
from perpscope.model.instrument import Instrument
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.venues.binance import Binance
from perpscope.venues.binance.broker import BROKER

CANARY = Keys("canarykey", "canarysecret")
MONEY = BROKER.money()
ORDER = HttpRequest(method="POST", path="/fapi/v1/order", urgency=Urgency.ORDER)
NOW_MS = 1_795_219_200_000


def btc() -> Instrument:
    """What is traded."""
    found = Binance().instrument_named("BTCUSDT")
    assert found is not None
    return found


class Timekeeper:
    """A server with a clock: it tells its time, and refuses whatever was signed for another."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.ahead_ms = ahead_ms
        self.asked: list[str] = []
        self.silent = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        self.asked.append(request.path)
        ours = NOW_MS + self.ahead_ms
        if request.path.endswith("/time"):
            if self.silent.is_set():
                return web.Response(status=503)
            return web.json_response({"serverTime": ours})
        if abs(int(request.query["timestamp"]) - ours) > 1000:
            return web.json_response({"code": -1021, "msg": "Timestamp is outside of the recvWindow."}, status=400)
        return web.json_response([])


class Seconds:
    """Real seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Now."""
        return self.now


@asynccontextmanager
async def calling(answer: Answer, seconds: Seconds | None = None) -> AsyncIterator[PrivateCalls]:
    """Private calls of a server that answers so."""
    async with served(answer) as url, client(url) as rest:
        calls = PrivateCalls(rest, BROKER, CANARY, lambda: NOW_MS, monotonic=seconds or Seconds())
        try:
            yield calls
        finally:
            await calls.aclose()


# answers of any status -----------------------------------------------------------------------------------------------


async def test_any_status_is_an_answer() -> None:
    """Protects orders: a 503 or a refusal is for the dialect to judge; headers have lower-case names."""
    for status in (200, 400, 403, 503):
        async with served(saying(status, b'{"code":-1}', {"X-Told": "yes"})) as url, client(url) as rest:
            told = await rest.answer(ORDER)
        assert (told.status, told.body, told.headers["x-told"]) == (status, b'{"code":-1}', "yes")


async def test_limits_are_heard_and_answered_at_once() -> None:
    """Protects C1: a 429 is an answer, and then the door is shut, even to orders."""
    async with served(saying(429, b"{}", {"Retry-After": "60"})) as url, client(url) as rest:
        assert (await rest.answer(ORDER)).status == 429
        with pytest.raises(RateLimited):
            await rest.answer(ORDER)


async def test_call_is_finished_when_it_may_be_made() -> None:
    """Protects signed times: what is sent is made after the wait for the budget, with its headers and its own query."""
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request.raw_path, request.headers["X-Name"]))
        return web.Response()

    def finish(request: HttpRequest) -> HttpRequest:
        return msgspec.structs.replace(request, params=(("id", "a:b/c d"),), headers=(("X-Name", "value"),))

    async with served(answer) as url, client(url) as rest:
        await rest.answer(MONEY, finish=finish)
    assert seen == [("/fapi/v3/balance?id=a%3Ab%2Fc%20d", "value")]


async def test_it_is_told_when_a_call_is_on_its_way() -> None:
    """Protects the latency of an order: it is sent once it has left us, before there is any answer, and only then."""
    happened: list[str] = []

    async def answer(_: web.Request) -> web.StreamResponse:
        happened.append("heard")
        return web.json_response([])

    async with served(answer) as url, client(url) as rest:
        await rest.answer(ORDER, on_sent=lambda: happened.append("sent"))
        await rest.answer(MONEY)
    assert happened == ["sent", "heard", "heard"]
    async with client(NOWHERE) as rest:
        with pytest.raises(VenueUnreachable):
            await rest.answer(ORDER, on_sent=lambda: happened.append("never"))
    assert happened == ["sent", "heard", "heard"]


async def test_nothing_is_sent_twice() -> None:
    """Protects I2: a connection that ends without an answer leaves it open, and the call is not made again."""
    seen: list[str] = []

    async def cut(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with served(cut) as url, client(url) as rest:
        with pytest.raises(VenueUnreachable) as caught:
            await rest.answer(ORDER)
    assert caught.value.maybe_sent
    assert seen == ["/fapi/v1/order"]


async def test_what_was_surely_not_sent_is_said() -> None:
    """Protects D5: without a connection an order is not there, and need not be asked for."""
    async with client(NOWHERE) as rest:
        with pytest.raises(VenueUnreachable) as caught:
            await rest.answer(ORDER)
        assert not caught.value.maybe_sent
        with pytest.raises(VenueUnreachable) as cancelling:
            await rest.answer(msgspec.structs.replace(ORDER, method="DELETE"))
        assert cancelling.value.maybe_sent, "aiohttp may have tried one on a connection that was gone"


async def test_silence_ends_at_the_deadline() -> None:
    """Protects C8: a venue that never answers holds a call no longer than its deadline, and it may have been done."""

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async with served(never) as url, client(url) as rest:
        with pytest.raises(VenueUnreachable, match="no answer in time") as caught:
            await rest.answer(ORDER, timeout_s=0.05)
    assert caught.value.maybe_sent


@pytest.mark.parametrize(
    ("base", "site", "asked"),
    [
        ("https://fapi.binance.com", "https://api.binance.com", "https://api.binance.com"),
        ("http://127.0.0.1:9", "https://api.binance.com", "http://127.0.0.1:9"),
        ("https://testnet.binancefuture.com", "https://api.binance.com", "https://testnet.binancefuture.com"),
        ("https://fapi.binance.com", "", "https://fapi.binance.com"),
    ],
)
async def test_keys_are_shown_to_nobody_else(base: str, site: str, asked: str) -> None:
    """Protects S13: another site is asked only if it belongs to the exchange we are pointed at."""
    async with client(base) as rest:
        assert rest._base_of(HttpRequest(path="/x", site=site)) == asked


# the venue's time ----------------------------------------------------------------------------------------------------


async def test_calls_are_signed_with_the_venues_time() -> None:
    """Protects C3: its clock is measured before the first call; an hour apart is no hindrance, and is told."""
    server = Timekeeper(ahead_ms=3_600_000)
    async with calling(server.answer) as calls:
        assert (await calls(MONEY)).status == 200
        assert (await calls(MONEY)).status == 200
        assert server.asked == ["/fapi/v1/time", "/fapi/v3/balance", "/fapi/v3/balance"]
        assert calls.skew_ns == 3_600_000 * 1_000_000
        assert calls.health() == CallHealth(calls=3, errors=0, skew_ns=calls.skew_ns)


async def test_what_may_not_go_any_more_is_not_sent() -> None:
    """Protects D22: who stood still before signing sends nothing, and it is known that nothing was sent."""
    server = Timekeeper()
    async with calling(server.answer) as calls:
        with pytest.raises(RateLimited, match="was not sent"):
            await calls(MONEY, may_go=lambda: False)
        assert server.asked == ["/fapi/v1/time"]
        assert (await calls(MONEY, may_go=lambda: True)).status == 200


async def test_clock_that_jumps_is_measured_anew() -> None:
    """Protects C3: after a -1021 the time is measured before the answer is handed on, so that the second try passes."""
    server = Timekeeper()
    async with calling(server.answer) as calls:
        await calls(MONEY)
        server.ahead_ms = -90_000
        assert BROKER.is_mistimed(await calls(MONEY))
        assert (await calls(MONEY)).status == 200
        assert calls.health() == CallHealth(calls=5, errors=1, skew_ns=-90_000 * 1_000_000)


async def test_time_is_measured_each_minute_beside_the_calls() -> None:
    """Protects C3: a clock that drifts is followed without an order waiting for it; failures keep the last measure."""
    server, seconds = Timekeeper(), Seconds()
    async with calling(server.answer, seconds) as calls:
        await calls(MONEY)
        server.ahead_ms = 900
        seconds.now += 60.0
        assert (await calls(MONEY)).status == 200
        assert calls._measuring is not None
        await calls._measuring
        assert calls.skew_ns == 900 * 1_000_000
        seconds.now += 60.0
        server.silent.set()
        await calls(MONEY)
        await calls(MONEY)
        await calls._measuring
        assert calls.skew_ns == 900 * 1_000_000
        server.silent.clear()
        before = len(server.asked)
        seconds.now += 4.0
        await calls(MONEY)
        assert len(server.asked) == before + 1, "it is not asked again at once"
        seconds.now += 2.0
        await calls(MONEY)
        await calls._measuring
        assert len(server.asked) == before + 3


async def test_no_call_is_made_without_a_time() -> None:
    """Protects orders: where the venue does not tell its time, nothing is sent, and the error says so."""
    server = Timekeeper()
    server.silent.set()
    async with calling(server.answer) as calls:
        with pytest.raises(VenueUnreachable, match="time could not be measured") as caught:
            await calls(ORDER)
        assert not caught.value.maybe_sent
        assert server.asked == ["/fapi/v1/time"]


async def test_errors_of_the_last_minute_are_counted() -> None:
    """Protects risk: failures of the venue and silence count, refusals do not, and a minute later none of it does."""
    seconds, status = Seconds(), iter([400, 503, 429])

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/time"):
            return web.json_response({"serverTime": NOW_MS})
        return web.json_response({"code": -2019, "msg": "Margin is insufficient."}, status=next(status))

    async with calling(answer, seconds) as calls:
        for _ in range(3):
            await calls(MONEY)
        with pytest.raises(RateLimited):
            await calls(MONEY)
        assert (calls.health().calls, calls.health().errors) == (5, 3)
        seconds.now += 61.0
        assert (calls.health().calls, calls.health().errors) == (0, 0)


async def test_deadlines_are_those_of_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects B15: an order's silence ends before half of what a position may stay unprotected is over."""
    assert private_calls._ORDER_S <= 2.5
    monkeypatch.setattr(private_calls, "_ORDER_S", 0.05)

    async def answer(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/time"):
            await asyncio.Event().wait()
        return web.json_response({"serverTime": NOW_MS})

    async with calling(answer) as calls:
        calls._is_measured, calls._measure_at = True, 1e9
        with pytest.raises(VenueUnreachable):
            await calls(ORDER)
        assert calls.health().errors == 1


# with the lab --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def trading(lab: Lab, rate: float = 1.0) -> AsyncIterator[PrivateCalls]:
    """Private calls of the lab's own account."""
    clock = MarketClock()
    clock.follow(await anchored(lab))
    async with RestClient("binance", lab.rest_url, Governor("binance", PLENTY * rate)) as rest:
        calls = PrivateCalls(rest, BROKER, Keys(LAB_KEY, LAB_SECRET), lambda: clock.now_ns() // 1_000_000)
        yield calls
        await calls.aclose()


async def anchored(lab: Lab) -> Anchor:
    """The lab's market clock."""
    return await market_clock(f"{lab.rest_url}/lab/clock")


def order() -> OrderRequest:
    """Buy a hundredth of a BTC."""
    return OrderRequest(
        id="run-canary-1",
        instrument=btc().id,
        ts_recv=0,
        side=Side.BUY,
        size=Decimal("0.010"),
        kind=OrderKind.MARKET,
        role=Role.ENTRY,
    )


@pytest.mark.parametrize("rate", [1.0, 60.0])
async def test_the_lab_takes_what_is_signed_at_any_speed(rate: float) -> None:
    """Protects paper and live on the lab: a market 60 times as fast as the machine still knows our time."""
    async with await serve_market(7, rate, symbols=("BTC",)) as lab, trading(lab, rate) as calls:
        answers = [await calls(BROKER.money()), await calls(BROKER.place(order(), btc())), await calls(MONEY)]
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert BROKER.reply(answers[1]).is_done
        assert calls.health().errors == 0


async def test_reply_that_is_lost_leaves_the_order_open_to_question() -> None:
    """Protects D1: the caller learns that it may have been done, and asking by its id finds it."""
    async with await serve_market(7, symbols=("BTC",)) as lab, trading(lab) as calls:
        lab.accounts.suffer(Misfortune(Mishap.LOST_REPLY))
        with pytest.raises(VenueUnreachable) as caught:
            await calls(BROKER.place(order(), btc()))
        assert caught.value.maybe_sent
        told = BROKER.reply(await calls(BROKER.ask(order().id, btc(), is_conditional=False)))
        assert told.ending is Ending.DONE


async def test_secrets_are_never_told(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects S17: key, secret and signature are in no error, log, repr or output, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    signatures: list[str] = []
    server = Timekeeper()

    async def failing(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/time"):
            return await server.answer(request)
        signatures.append(request.query.get("signature", ""))
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    shown: list[str] = []
    async with calling(failing) as calls:
        for request in (ORDER, MONEY, BROKER.listen_key(), BROKER.place(order(), btc())):
            with pytest.raises(VenueUnreachable) as caught:
                await calls(request)
            error: BaseException | None = caught.value
            while error is not None:
                shown.append(f"{error!r} {error} {error.args} {vars(error)}")
                error = error.__cause__
        signed = [calls._sign(lambda: True, ORDER)]
        shown += [repr(calls), repr(calls._keys), str(calls._keys), *map(repr, signed), *map(str, signed)]
    written = "\n".join([*shown, caplog.text, *capsys.readouterr()])
    assert any(signatures)
    for secret in (CANARY.key, CANARY.secret, *filter(None, signatures)):
        assert secret not in written
