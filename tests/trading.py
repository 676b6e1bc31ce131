"""A market made by hand, and customers of the lab's Binance who trade on it: they sign as the venue asks."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.dialect import Answer, Call, Floor, SessionRules, dialect
from perpscope.lab.happening import Happening
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Bar, Census, Funding, Stand
from perpscope.lab.symbols import contracts
from perpscope.lab.wire.binance.private import BinancePrivate
from perpscope.model.market import BookDelta, BookSnapshot, Candle, Level, MarkPrice, Side, Trade

Json: TypeAlias = Any  # decoded; the shape is what a test is about
START_MS = 1_795_219_200_000  # 2026-11-21T00:00:00Z, when funding is paid
_HOURS_8_MS = 28_800_000
_NS_PER_MS = 1_000_000
TICK = 0.1  # of BTCUSDT and its book here


class HandMarket:
    """BTCUSDT and ETHUSDT, as a test wants them: `Quotations`, `Outlet` and `Floor` in one, with accounts.

    BTC begins at 50000.0: five levels a side, 0.1 apart, 1 BTC each.
    """

    def __init__(self) -> None:
        wire = dialect("binance")
        found = contracts(("BTC", "ETH"), lambda contract: contract.symbol)
        self.listings: Sequence[Listing] = [wire.listing(wire.instrument(contract)) for contract in found]
        self._stands = {listing.symbol: Stand(listing) for listing in self.listings}
        self.now_ms = START_MS
        self.now_s = 0.0
        self.wall_ms = START_MS
        self.ts_told = self.ts_oldest = START_MS * _NS_PER_MS
        self.heard: list[tuple[str, bytes]] = []
        self.rules: SessionRules = wire.rules
        self.connections = self.subscribed = 1
        self.paid: list[Funding] = []
        self.refused_topics: set[str] = set()
        self._trades = self._updates = 0
        for symbol, price in (("BTCUSDT", 50_000.0), ("ETHUSDT", 2_500.0)):
            self._fill_book(symbol, price)
        self.private = BinancePrivate(self, self)
        for symbol, price in (("BTCUSDT", 50_000.0), ("ETHUSDT", 2_500.0)):
            self.mark(price, symbol=symbol)

    def _fill_book(self, symbol: str, price: float) -> None:
        stand = self._stands[symbol]
        bids = [(price - TICK * (step + 1), 1.0) for step in range(5)]
        asks = [(price + TICK * (step + 1), 1.0) for step in range(5)]
        written = [[(stand.listing.price(p), stand.listing.size(s)) for p, s in side] for side in (bids, asks)]
        stand.book.replace(written[0], written[1], 1, START_MS * _NS_PER_MS)

    # what happens --------------------------------------------------------------------------------------------------

    def tell(self, event: Happening, symbol: str) -> None:
        """Publish something."""
        self.private.hear(self._stands[symbol], event)

    def book(self, bids: Sequence[Level] = (), asks: Sequence[Level] = (), symbol: str = "BTCUSDT") -> None:
        """Change levels: (price, absolute size)."""
        stand = self._stands[symbol]
        price, size = stand.listing.price, stand.listing.size
        stand.bids = [(price(p), size(s)) for p, s in bids]
        stand.asks = [(price(p), size(s)) for p, s in asks]
        self._updates += 1
        ts = self.now_ms * _NS_PER_MS
        stand.book.apply(stand.bids, stand.asks, self._updates, ts)
        of = stand.listing.instrument.id
        self.tell(
            BookDelta(of, ts, ts, self._updates, self._updates, self._updates - 1, list(bids), list(asks)), symbol
        )

    def snapshot(self, bids: Sequence[Level], asks: Sequence[Level], symbol: str = "BTCUSDT") -> None:
        """The whole book anew: (price, size), best first."""
        stand = self._stands[symbol]
        price, size = stand.listing.price, stand.listing.size
        self._updates += 1
        ts = self.now_ms * _NS_PER_MS
        texts = [[(price(p), size(s)) for p, s in side] for side in (bids, asks)]
        stand.book.replace(texts[0], texts[1], self._updates, ts)
        self.tell(BookSnapshot(stand.listing.instrument.id, ts, ts, self._updates, list(bids), list(asks)), symbol)

    def trade(self, taker: Side, price: float, size: float, symbol: str = "BTCUSDT") -> None:
        """Somebody else trades."""
        self._trades += 1
        ts, stand = self.now_ms * _NS_PER_MS, self._stands[symbol]
        stand.last_trade = Trade(stand.listing.instrument.id, ts, ts, self._trades, price, size, taker, True)
        self.tell(stand.last_trade, symbol)

    def mark(self, price: float, rate: float = 0.0001, symbol: str = "BTCUSDT") -> None:
        """A mark price."""
        ts, stand = self.now_ms * _NS_PER_MS, self._stands[symbol]
        due = (self.now_ms // _HOURS_8_MS + 1) * _HOURS_8_MS * _NS_PER_MS
        stand.mark = MarkPrice(stand.listing.instrument.id, ts, ts, price, price, rate, due, 8.0)
        self.tell(stand.mark, symbol)

    def move(self, price: float, symbol: str = "BTCUSDT") -> None:
        """The whole market goes there: its book, a trade and the mark."""
        stand = self._stands[symbol]
        old_bids, old_asks = stand.book.top(1000)
        bids: list[Level] = [(float(p), 0.0) for p, _ in old_bids]
        asks: list[Level] = [(float(p), 0.0) for p, _ in old_asks]
        bids += [(round(price - TICK * (step + 1), 1), 1.0) for step in range(5)]
        asks += [(round(price + TICK * (step + 1), 1), 1.0) for step in range(5)]
        self.book(bids, asks, symbol)
        self.trade(Side.BUY, price, 0.001, symbol)
        self.mark(price, symbol=symbol)

    def wait(self, seconds: float) -> None:
        """Market time passes."""
        self.now_ms += int(seconds * 1000)
        self.wall_ms = self.now_ms
        self.private.pass_time(self.now_ms * _NS_PER_MS)

    # what is asked of it -------------------------------------------------------------------------------------------

    def stand(self, symbol: str) -> Stand:
        """One symbol as published so far."""
        return self._stands[symbol]

    def fundings(self, symbol: str, ts_from: int | None = None, ts_to: int | None = None) -> Sequence[Funding]:
        """What a test put into `paid`."""
        assert symbol in self._stands
        return [row for row in self.paid if (ts_from or 0) <= row.ts < (ts_to or 2**63)]

    def candles(self, *_: object, **__: object) -> Sequence[Candle]:
        """None."""
        return ()

    def reference_bars(self, *_: object, **__: object) -> Sequence[Bar]:
        """None."""
        return ()

    def censuses(self, *_: object, **__: object) -> Sequence[Census]:
        """None."""
        return ()

    def is_refused(self, topic: str) -> bool:
        """True for what a test has put into `refused_topics`."""
        return topic in self.refused_topics

    def opening(self, *_: object, **__: object) -> Sequence[bytes]:
        """Nothing."""
        return ()

    def ask(self, call: Call) -> Answer:
        """What the venue replies."""
        return self.private.answer(call)

    def is_wanted(self, topic: str) -> bool:
        """True: everything is kept."""
        return bool(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        """Keep it."""
        self.heard.append((topic, payload))

    def count(self, kind: str) -> None:
        """Count nothing."""


def floor(market: HandMarket) -> Floor:
    """The market as dialogues see it."""
    return market


def signature(secret: str, text: str) -> str:
    """HMAC-SHA256, as the venue's documents have it."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Customer:
    """One account, and the requests of its owner.

    Args:
        market: where he trades.
        balance: quote units.
        key: what his requests name.
    """

    def __init__(self, market: HandMarket, balance: str = "10000", key: str = "customer") -> None:
        self.market = market
        self.desk: Accounts = market.private.accounts
        self.account: Account = self.desk.open(key, "secret", balance)
        self.listen_key: str = self.done("POST", "/fapi/v1/listenKey")["listenKey"]

    # requests ------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, **params: object) -> Answer:
        """A signed request; its time is the market's unless it is among the parameters."""
        self.market.now_s += 1.0
        own: dict[str, object] = {"timestamp": self.market.now_ms}
        text = urlencode({name: written(value) for name, value in (own | params).items()})
        text += f"&signature={signature(self.account.secret, text)}"
        is_form = method in ("POST", "PUT")
        return self.market.private.answer(
            Call(
                method,
                path,
                {} if is_form else dict(parse_qsl(text)),
                text.encode() if is_form else b"",
                self.market.now_s,
                raw_query="" if is_form else text,
                headers={"X-MBX-APIKEY": self.account.key},
                wall_ms=self.market.wall_ms,
            )
        )

    def done(self, method: str, path: str, **params: object) -> Json:
        """The answer to a request that succeeds."""
        answer = self.ask(method, path, **params)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def refused(self, method: str, path: str, **params: object) -> int:
        """The code of one that does not."""
        answer = self.ask(method, path, **params)
        assert answer.status in (400, 401), (answer.status, answer.body)
        return int(json.loads(answer.body)["code"])

    def place(self, side: str, size: object, price: object = None, **more: object) -> Json:
        """A limit order if there is a price, else a market order; as it is after it has taken what it could."""
        return self.done("POST", "/fapi/v1/order", **_wish(side, size, price, more))

    def code(self, side: str, size: object, price: object = None, **more: object) -> int:
        """Why such an order is refused."""
        return self.refused("POST", "/fapi/v1/order", **_wish(side, size, price, more))

    def wait_for(self, side: str, kind: str, trigger: object, **more: object) -> Json:
        """A conditional order."""
        return self.done("POST", "/fapi/v1/algoOrder", **_condition(side, kind, trigger, more))

    def condition_code(self, side: str, kind: str, trigger: object, **more: object) -> int:
        """Why such an order is refused."""
        return self.refused("POST", "/fapi/v1/algoOrder", **_condition(side, kind, trigger, more))

    def stay(self, seconds: float) -> None:
        """Let market time pass and keep the listen key alive."""
        while seconds > 0:
            self.market.wait(min(seconds, 1800.0))
            self.done("PUT", "/fapi/v1/listenKey")
            seconds -= 1800.0

    # what he sees --------------------------------------------------------------------------------------------------

    def order(self, order_id: int, symbol: str = "BTCUSDT") -> Json:
        """One order, as REST has it now."""
        return self.done("GET", "/fapi/v1/order", symbol=symbol, orderId=order_id)

    def algo(self, algo_id: int) -> Json:
        """One conditional order, as REST has it now."""
        return self.done("GET", "/fapi/v1/algoOrder", algoId=algo_id)

    def position(self, symbol: str = "BTCUSDT") -> Json:
        """His position in one-way mode, as REST has it now."""
        return self.done("GET", "/fapi/v2/positionRisk", symbol=symbol)[0]

    def wallet(self) -> Decimal:
        """His balance, as REST has it now."""
        return Decimal(self.done("GET", "/fapi/v3/balance")[0]["balance"])

    def income(self, kind: str) -> list[Decimal]:
        """What he was paid or has paid of one kind, oldest first."""
        rows = self.done("GET", "/fapi/v1/income", incomeType=kind, limit=1000)
        return [Decimal(row["income"]) for row in rows]

    def events(self, kind: str = "") -> list[Json]:
        """What his stream has told so far, or only one kind of it."""
        told = [json.loads(body) for topic, body in self.market.heard if topic.startswith(self.listen_key)]
        return [event for event in told if kind in ("", event["e"])]

    def turns(self) -> list[tuple[str, str]]:
        """Execution type and status of each order event."""
        return [(event["o"]["x"], event["o"]["X"]) for event in self.events("ORDER_TRADE_UPDATE")]

    def algo_turns(self) -> list[str]:
        """Status of each conditional order's event."""
        return [event["o"]["X"] for event in self.events("ALGO_UPDATE")]


def _wish(side: str, size: object, price: object, more: dict[str, object]) -> dict[str, object]:
    own: dict[str, object] = {"symbol": "BTCUSDT", "side": side, "quantity": size, "newOrderRespType": "RESULT"}
    own |= {"type": "MARKET"} if price is None else {"type": "LIMIT", "timeInForce": "GTC", "price": price}
    return {name: value for name, value in (own | more).items() if value is not None}


def _condition(side: str, kind: str, trigger: object, more: dict[str, object]) -> dict[str, object]:
    own: dict[str, object] = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": side, "type": kind}
    own |= {"triggerPrice": trigger, "quantity": None if more.get("closePosition") else "0.1"}
    return {name: value for name, value in (own | more).items() if value is not None}


def written(value: object) -> str:
    """As a parameter."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
