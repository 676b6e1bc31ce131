"""What the lab's Binance tells one customer, by kind: user data events, and the answers of the private routes.

In: nothing. Out: kind → decoded frames of a customer who rests, takes, is triggered and is closed by force.
"""

import hashlib
import hmac
import json
from urllib.parse import urlencode

from tests.unit.frame_schema import Json

from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.dialect import Call
from perpscope.lab.rehearsal import Rehearsal
from perpscope.lab.wire.binance.user_data import EVENTS

_SYMBOL = "BTCUSDT"
_ASKED = {
    "/fapi/v1/allOrders": {"symbol": _SYMBOL},
    "/fapi/v1/userTrades": {"symbol": _SYMBOL},
    "/fapi/v2/positionRisk": {"symbol": _SYMBOL},
    "/fapi/v1/positionSide/dual": {},
    "/fapi/v1/symbolConfig": {},
    "/fapi/v1/commissionRate": {"symbol": _SYMBOL},
}


def private_frames() -> dict[str, list[Json]]:
    """By kind."""
    stage = Rehearsal("binance", 7, ("BTC",))
    stage.run(10.0)
    listen_key = _asked(stage, "POST", "/fapi/v1/listenKey")["listenKey"]
    stage.wants(*(f"{listen_key}@{event}" for event in EVENTS))
    _trade(stage)
    frames: dict[str, list[Json]] = {}
    for topic, payload in stage.heard:
        frames.setdefault(f"binance ws {topic.partition('@')[2]}", []).append(json.loads(payload))
    return frames | {f"binance GET {path}": [_asked(stage, "GET", path, **query)] for path, query in _ASKED.items()}


def _trade(stage: Rehearsal) -> None:
    """Rest and be cancelled, take, be triggered, and be deleveraged."""
    quote = stage.publisher.stand(_SYMBOL).quote
    assert quote is not None
    order = {"symbol": _SYMBOL, "side": "BUY", "quantity": "0.010"}
    low = {"type": "LIMIT", "timeInForce": "GTC", "price": f"{quote.bid * 0.98:.1f}"}
    resting = _asked(stage, "POST", "/fapi/v1/order", **order, **low)
    _asked(stage, "DELETE", "/fapi/v1/order", symbol=_SYMBOL, orderId=str(resting["orderId"]))
    _asked(stage, "POST", "/fapi/v1/order", **order, type="MARKET")
    for side, trigger in (("BUY", quote.ask * 1.0001), ("BUY", quote.ask * 1.05)):
        stop = {"symbol": _SYMBOL, "side": side, "quantity": "0.005", "type": "STOP_MARKET", "algoType": "CONDITIONAL"}
        _asked(stage, "POST", "/fapi/v1/algoOrder", **stop, triggerPrice=f"{trigger:.1f}")
    stage.run(900.0)
    _asked(stage, "DELETE", "/fapi/v1/algoOpenOrders", symbol=_SYMBOL)
    assert stage.private is not None
    stage.private.accounts.deleverage(stage.private.accounts.by_key[LAB_KEY], _SYMBOL)


def _asked(stage: Rehearsal, method: str, path: str, **params: str) -> Json:
    """What a signed request is answered."""
    stage.now_s += 60.0
    raw = urlencode(params | {"timestamp": str(stage.now_ms), "recvWindow": "5000"})
    signature = hmac.new(LAB_SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
    query = dict(pair.split("=", 1) for pair in raw.split("&")) | {"signature": signature}
    call = Call(
        method,
        path,
        query,
        b"",
        stage.now_s,
        raw_query=f"{raw}&signature={signature}",
        headers={"X-MBX-APIKEY": LAB_KEY},
        wall_ms=stage.wall_ms,
    )
    answer = stage.side.answer(call)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)
