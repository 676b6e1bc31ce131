"""The lab's own frames and replies by kind, in the words of `recorded_frames`: a rehearsal of each venue, asked once.

In: a kind. Out: its decoded frames of a quarter of a market hour. A kind that is not here is one the lab does not tell.
"""

import functools
import json
from collections.abc import Mapping, Sequence

from tests.unit.frame_schema import Json
from tests.unit.lab_private_frames import private_frames

from perpscope.lab.rehearsal import Rehearsal
from perpscope.lab.wire.binance.streams import enveloped
from perpscope.lab.wire.hyperliquid.accounts import MAKERS

_SECONDS = 900.0
_MOST = 400  # frames of a topic
_BASES = ("BTC", "ETH")


def frames(kind: str) -> Sequence[Json] | None:
    """The lab's frames of a kind; None if it tells no such thing."""
    return _VENUES[kind.split(maxsplit=1)[0]]().get(kind)


def _played(venue: str, topics: Mapping[str, str]) -> tuple[Rehearsal, dict[str, list[Json]]]:
    """A venue's stage after its play, and what was heard of each topic, by kind."""
    stage = Rehearsal(venue, 7, _BASES)
    stage.wants(*topics)
    opened = {topic: list(stage.opening(topic)) for topic in topics}
    stage.run(_SECONDS)
    told: dict[str, list[Json]] = {}
    for topic, kind in topics.items():
        heard = stage.payloads(topic)
        payloads = [*opened[topic], *stage.opening(topic), *heard[:: len(heard) // _MOST + 1]]
        told.setdefault(f"{venue} ws {kind}", []).extend(map(json.loads, payloads))
    return stage, told


def _asked(stage: Rehearsal, path: str, **query: str) -> Json:
    stage.now_s += 60.0
    return json.loads(stage.get(path, **query).body)


def _said(stage: Rehearsal, target: str, *messages: Json) -> list[Json]:
    talk = stage.dialogue(target)
    return [json.loads(frame) for message in messages for frame in stage.say(talk, json.dumps(message).encode())]


@functools.cache
def _binance() -> Mapping[str, list[Json]]:
    topics = {
        "btcusdt@aggTrade": "aggTrade",
        "btcusdt@trade": "trade",
        "btcusdt@bookTicker": "bookTicker",
        "btcusdt@depth@100ms": "depthUpdate",
        "btcusdt@depth20@100ms": "depthUpdate",
        "btcusdt@kline_1m": "kline",
        "btcusdt@markPrice@1s": "markPriceUpdate",
        "btcusdt@forceOrder": "forceOrder",
        "ethusdt@forceOrder": "forceOrder",
        "btcusdt@ticker": "24hrTicker",
    }
    stage, told = _played("binance", topics)
    trade = json.dumps(told["binance ws aggTrade"][0]).encode()
    told["binance ws envelope"] = [{**json.loads(enveloped("btcusdt@aggTrade", trade)), "data": {}}]
    told["binance GET refusal"] = [_asked(stage, "/fapi/v1/ticker/24hr", symbol="BTCUSD_201225")]
    told |= {f"binance GET {path}": [reply] for path, reply in _binance_replies(stage).items()}
    return told | private_frames()


def _binance_replies(stage: Rehearsal) -> dict[str, Json]:
    """By path."""
    of_a_symbol: tuple[str, ...] = ("aggTrades", "depth", "fundingRate", "openInterest", "premiumIndex", "trades")
    of_a_symbol += ("ticker/24hr", "ticker/bookTicker", "ticker/price")
    of_a_period: tuple[str, ...] = ("openInterestHist", "takerlongshortRatio", "globalLongShortAccountRatio")
    of_a_period += ("topLongShortAccountRatio", "topLongShortPositionRatio")
    asked: dict[str, dict[str, str]] = {f"/fapi/v1/{name}": {} for name in ("exchangeInfo", "time", "fundingInfo")}
    asked |= {f"/fapi/v1/{name}": {"symbol": "BTCUSDT"} for name in of_a_symbol}
    asked |= {f"/fapi/v1/{name}": {"symbol": "BTCUSDT", "interval": "1m"} for name in ("klines", "markPriceKlines")}
    asked |= {"/fapi/v1/indexPriceKlines": {"pair": "BTCUSDT", "interval": "1m"}}
    asked |= {f"/futures/data/{name}": {"symbol": "BTCUSDT", "period": "5m"} for name in of_a_period}
    return {path: _asked(stage, path, **query) for path, query in asked.items()}


@functools.cache
def _bybit() -> Mapping[str, list[Json]]:
    topics = {
        "orderbook.50.BTCUSDT": "orderbook",
        "publicTrade.BTCUSDT": "publicTrade",
        "kline.1.BTCUSDT": "kline",
        "tickers.BTCUSDT": "tickers",
        "allLiquidation.BTCUSDT": "allLiquidation",
        "allLiquidation.ETHUSDT": "allLiquidation",
    }
    stage, told = _played("bybit", topics)
    for kind in ("orderbook", "tickers"):
        for frame in told.pop(f"bybit ws {kind}"):
            told.setdefault(f"bybit ws {kind} {frame['type']}", []).append(frame)
    subscribe = {"op": "subscribe", "req_id": "a", "args": ["tickers.BTCUSDT"]}
    told["bybit ws ack"] = _said(stage, "/v5/public/linear", subscribe)[:1]
    told["bybit ws refusal"] = _said(stage, "/v5/public/linear", subscribe | {"args": ["invalid.topic.BTCUSDT"]})
    asked = {"category": "linear", "symbol": "BTCUSDT", "interval": "1"}
    names = ("funding/history", "instruments-info", "kline", "orderbook", "recent-trade", "tickers")
    return told | {f"bybit GET {name}": [_asked(stage, f"/v5/market/{name}", **asked)] for name in names}


@functools.cache
def _okx() -> Mapping[str, list[Json]]:
    swap, index = "BTC-USDT-SWAP", "BTC-USDT"
    channels = ("tickers", "trades", "books", "bbo-tbt", "funding-rate", "mark-price", "open-interest")
    topics = {f"{channel}:{swap}": channel for channel in channels}
    topics |= {f"index-tickers:{index}": "index-tickers", f"candle1m:{swap}": "candle"}
    topics |= {"liquidation-orders:SWAP": "liquidation-orders"}
    stage, told = _played("okx", topics)
    for frame in told.pop("okx ws books"):
        told.setdefault(f"okx ws books {frame['action']}", []).append(frame)
    wish = {"op": "subscribe", "args": [{"channel": "instruments", "instType": "SWAP"}]}
    told["okx ws instruments"] = _said(stage, "/ws/v5/public", wish)[1:]
    told["okx ws ack"] = _said(stage, "/ws/v5/public", wish | {"args": [{"channel": "trades", "instId": swap}]})[:1]
    asked = {"instType": "SWAP", "instId": swap, "tdMode": "isolated", "instFamily": index, "bar": "1m"}
    names: tuple[str, ...] = (
        "market/books",
        "market/candles",
        "market/trades",
        "public/funding-rate-history",
        "public/instruments",
    )
    names += ("public/mark-price", "public/position-tiers")
    replies = {name: _asked(stage, f"/api/v5/{name}", **asked) for name in names}
    replies["market/index-tickers"] = _asked(stage, "/api/v5/market/index-tickers", instId=index)
    return told | {f"okx GET {name}": [reply] for name, reply in replies.items()}


@functools.cache
def _bitget() -> Mapping[str, list[Json]]:
    topics = {f"v2:{channel}:BTCUSDT": f"v2 {channel}" for channel in ("books", "books1", "books15", "ticker", "trade")}
    topics |= {f"v3:{channel}:BTCUSDT": f"v3 {channel}" for channel in ("books5", "publicTrade", "ticker")}
    stage, told = _played("bitget", topics)
    for kind in ("books", "trade"):
        for frame in told.pop(f"bitget ws v2 {kind}"):
            told.setdefault(f"bitget ws v2 {kind} {frame['action']}", []).append(frame)
    wish = {"instType": "USDT-FUTURES", "channel": "ticker", "instId": "BTCUSDT"}
    told["bitget ws v2 ack"] = _said(stage, "/v2/ws/public", {"op": "subscribe", "args": [wish]})[:1]
    return told


@functools.cache
def _hyperliquid() -> Mapping[str, list[Json]]:
    topics = {"trades:BTC": "trades", "l2Book:BTC": "l2Book", "allMids": "allMids"}
    topics |= {"allDexsAssetCtxs": "allDexsAssetCtxs", f"userEvents:{MAKERS[0]}": "user"}
    stage, told = _played("hyperliquid", topics)
    told["hyperliquid ws user"] = [
        {**frame, "data": {"fills": [fill]}}
        for frame in told["hyperliquid ws user"]
        for fill in frame["data"].get("fills", [])
        if "liquidation" in fill
    ]
    asked: dict[str, Json] = {name: {} for name in ("allPerpMetas", "meta")}
    asked |= {name: {"coin": "BTC"} for name in ("l2Book", "recentTrades")}
    asked |= {name: {"user": MAKERS[0]} for name in ("clearinghouseState", "userFills")}
    asked["fundingHistory"] = {"coin": "BTC", "startTime": 0}
    for name, more in asked.items():
        stage.now_s += 60.0
        reply = stage.post("/info", json.dumps({"type": name} | more).encode())
        told[f"hyperliquid POST {name}"] = [json.loads(reply.body)]
    return told


_VENUES = {"binance": _binance, "bybit": _bybit, "okx": _okx, "bitget": _bitget, "hyperliquid": _hyperliquid}
