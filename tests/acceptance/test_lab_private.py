"""The lab's private Binance over real sockets: orders by REST, events on /private, and what a network does to both."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlencode

import aiohttp
import pytest

from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab

Json: TypeAlias = Any  # decoded; the shape is what the test is about
Eventually: TypeAlias = Callable[[Callable[[], bool]], Awaitable[None]]
_START = 1_795_219_200_000_000_000
_DEADLINE_S = 60.0
_ORDER = "/fapi/v1/order"


class Trader:
    """Somebody with the lab's own key, and a connection to hear on."""

    def __init__(self, lab: Lab, http: aiohttp.ClientSession) -> None:
        self._lab = lab
        self._http = http
        self.listen_key = ""
        self.heard: list[Json] = []

    async def ask(self, method: str, path: str, **params: Json) -> tuple[int, Json]:
        """A signed request; its status and decoded answer.

        Raises:
            aiohttp.ClientError: there is no answer.
        """
        text = urlencode({"timestamp": time.time_ns() // 1_000_000} | params)
        text += "&signature=" + hmac.new(LAB_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        url, headers = self._lab.rest_url + path, {"X-MBX-APIKEY": LAB_KEY}
        if method in ("POST", "PUT"):
            asked = self._http.request(method, url, data=text, headers=headers | _FORM)
        else:
            asked = self._http.request(method, f"{url}?{text}", headers=headers)
        async with asked as reply:
            return reply.status, json.loads(await reply.read())

    async def done(self, method: str, path: str, **params: Json) -> Json:
        """The answer to a request that succeeds."""
        status, answer = await self.ask(method, path, **params)
        assert status == 200, answer
        return answer

    async def rest(self, price: float, client_id: str) -> Json:
        """Place a bid that rests."""
        asked = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        return await self.done("POST", _ORDER, **asked, price=f"{price:.1f}", newClientOrderId=client_id)

    def told(self, kind: str) -> list[Json]:
        """The events of one kind, so far."""
        return [event for event in self.heard if event["e"] == kind]

    async def listen(self, client: aiohttp.ClientWebSocketResponse) -> None:
        """Keep every event."""
        async for message in client:
            self.heard.append(json.loads(message.data))


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@asynccontextmanager
async def _trading(
    rate: float = 1.0, events: str = "", *, activity: float = 20.0, is_held: bool = False
) -> AsyncIterator[tuple[Lab, Trader]]:
    """A lab, and a trader who listens on the private route."""
    market: dict[str, Any] = {"symbols": ("BTCUSDT",), "ts_start": _START, "activity": activity, "is_held": is_held}
    async with await serve_market(7, rate, **market) as lab, aiohttp.ClientSession() as http:
        trader = Trader(lab, http)
        trader.listen_key = (await trader.done("POST", "/fapi/v1/listenKey"))["listenKey"]
        url = f"{lab.websocket_url}/private/ws?listenKey={trader.listen_key}{events}"
        async with http.ws_connect(url) as client:
            listening = asyncio.create_task(trader.listen(client))
            try:
                yield lab, trader
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


async def test_order_is_placed_told_and_filled_over_sockets(eventually: Eventually) -> None:
    """Protects the whole way: a signed form, an answer with its counts, an event on the private route, a fill."""
    async with _trading() as (lab, trader):
        status, bought = await trader.ask(
            "POST", _ORDER, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01", newOrderRespType="RESULT"
        )
        assert (status, bought["status"]) == (200, "FILLED")
        await eventually(lambda: len(trader.told("ORDER_TRADE_UPDATE")) == 2)
        assert [event["o"]["X"] for event in trader.told("ORDER_TRADE_UPDATE")] == ["NEW", "FILLED"]
        assert trader.told("ACCOUNT_UPDATE")[0]["a"]["P"][0]["pa"] == "0.010"
        position = (await trader.done("GET", "/fapi/v3/positionRisk"))[0]
        assert position["positionAmt"] == "0.010"
        assert lab.ledger.frames_by_stream[f"{trader.listen_key}@ORDER_TRADE_UPDATE"] == 2


async def test_resting_order_is_filled_as_the_market_moves(eventually: Eventually) -> None:
    """Protects makers on a seeded market: an order at the best bid fills as trades come to it, as maker."""
    async with _trading(60.0, is_held=True) as (lab, trader):
        await eventually(lambda: lab.ledger.events["MarkPrice"] > 0)
        book = await trader.done("GET", "/fapi/v1/depth", symbol="BTCUSDT", limit=5)
        await trader.rest(float(book["bids"][0][0]), "rests")
        lab.start()
        await eventually(lambda: any(event["o"]["X"] == "FILLED" for event in trader.told("ORDER_TRADE_UPDATE")))
        fills = [event["o"] for event in trader.told("ORDER_TRADE_UPDATE") if event["o"]["x"] == "TRADE"]
        assert all(row["m"] for row in fills)
        account = lab.accounts.by_key[LAB_KEY]
        assert account.wallet == account.deposited + sum(row.amount for row in account.incomes)


async def test_lost_request_and_lost_reply_are_cut_connections(eventually: Eventually) -> None:
    """Protects D1 and D2 on the wire: both look the same to the client; only one of the orders exists."""
    async with _trading() as (lab, trader):
        for kind, client_id in ((Mishap.LOST_REQUEST, "lost-1"), (Mishap.LOST_REPLY, "lost-2")):
            lab.accounts.suffer(Misfortune(kind))
            with pytest.raises(aiohttp.ClientError):
                await trader.rest(70_000.0 * 1.15, client_id)
        known = await trader.done("GET", "/fapi/v1/openOrders")
        assert [row["clientOrderId"] for row in known] == ["lost-2"]
        await eventually(lambda: [event["o"]["c"] for event in trader.told("ORDER_TRADE_UPDATE")] == ["lost-2"])


async def test_only_the_events_asked_for_come(eventually: Eventually) -> None:
    """Protects the `events` parameter on the wire: everything else is told to nobody."""
    async with _trading(events="&events=ORDER_TRADE_UPDATE") as (_, trader):
        await trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=7)
        await trader.rest(80_000.0, "one")
        await eventually(lambda: len(trader.heard) > 0)
        assert {event["e"] for event in trader.heard} == {"ORDER_TRADE_UPDATE"}


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.MUTE, FaultKind.DELAY], ids=lambda kind: str(kind.value))
async def test_fault_script_reaches_one_kind_of_user_event(eventually: Eventually, kind: FaultKind) -> None:
    """Protects C7: words of a fault script about `topic:*@<EVENT>` hit that event and no other; a question finds it."""
    async with _trading() as (lab, trader):
        fault = Fault(kind, 0.0, 1e6, target="topic:*@ORDER_TRADE_UPDATE", amount=1e5 * (kind is FaultKind.DELAY))
        lab.suffer(FaultScript.of([fault]))
        await trader.rest(80_000.0, "unheard")
        await trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=7)
        await eventually(lambda: len(trader.told("ACCOUNT_CONFIG_UPDATE")) == 1)
        assert trader.told("ORDER_TRADE_UPDATE") == []
        assert len(await trader.done("GET", "/fapi/v1/openOrders")) == 1


async def test_user_events_can_come_twice_and_out_of_order(eventually: Eventually) -> None:
    """Protects D8: the same fill told again, and turns of orders shuffled; ids tell what is what."""
    async with _trading() as (lab, trader):
        doubled = Fault(FaultKind.DUPLICATE, 0.0, 1e6, target="topic:*@ORDER_TRADE_UPDATE")
        shuffled = Fault(FaultKind.REORDER, 0.0, 1e6, target="topic:*@ACCOUNT_CONFIG_UPDATE", amount=0.2)
        lab.suffer(FaultScript.of([doubled, shuffled], seed=3))
        for number in range(6):
            await trader.rest(80_000.0, f"again-{number}")
        for leverage in range(1, 21):
            await trader.done("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=leverage)
        await eventually(lambda: len(trader.told("ACCOUNT_CONFIG_UPDATE")) == 20)
        told = [event["o"]["i"] for event in trader.told("ORDER_TRADE_UPDATE")]
        assert len(set(told)) == 6 < len(told)
        leverages = [event["ac"]["l"] for event in trader.told("ACCOUNT_CONFIG_UPDATE")]
        assert sorted(leverages) == list(range(1, 21)) != leverages


async def test_listen_key_runs_out_in_market_time(eventually: Eventually) -> None:
    """Protects C6 on the wire: an hour of the market, then the last word, silence, and a new key on request."""
    async with _trading(1200.0, activity=0.5) as (_, trader):
        await eventually(lambda: len(trader.told("listenKeyExpired")) == 1)
        status, refused = await trader.ask("PUT", "/fapi/v1/listenKey")
        assert (status, refused["code"]) == (400, -1125)
        assert (await trader.done("POST", "/fapi/v1/listenKey"))["listenKey"] != trader.listen_key


async def test_socket_api_takes_more_messages_than_a_stream() -> None:
    """Protects the trading socket: the ten messages a second of market streams do not bind it."""
    async with (
        await serve_market(7, symbols=("BTCUSDT",), ts_start=_START) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/ws-fapi/v1") as client,
    ):
        for number in range(30):
            await client.send_json({"id": number, "method": "time"})
        for number in range(30):
            told = json.loads((await client.receive(_DEADLINE_S)).data)
            assert (told["id"], told["status"]) == (number, 200)
