"""ccxt.pro 4.5.90: `binanceusdm`, its message handler; on a socket it is pointed here by its own `urls`."""

# mypy: disable-error-code="import-not-found,import-untyped"

import asyncio
import sys
from collections.abc import Sequence

import ccxt.pro
import orjson
from rounds import Counter, answer
from wire_frames import BOOKLESS

_SYMBOL = "BTC/USDT:USDT"
_MARKET = {
    **{
        "id": "BTCUSDT",
        "lowercaseId": "btcusdt",
        "symbol": _SYMBOL,
        "type": "swap",
        "subType": "linear",
        "contractSize": 1.0,
    },
    **{"base": "BTC", "quote": "USDT", "settle": "USDT", "baseId": "BTC", "quoteId": "USDT", "settleId": "USDT"},
    **{"swap": True, "contract": True, "linear": True, "active": True, "spot": False, "margin": False},
    **{"future": False, "option": False, "inverse": False, "expiry": None, "expiryDatetime": None, "strike": None},
    **{"optionType": None, "taker": 0.0005, "maker": 0.0002, "precision": {"amount": 0.001, "price": 0.1}},
    **{"limits": {"amount": {}, "price": {}, "cost": {}, "leverage": {}}, "info": {}},
}


def exchange(settings: dict[str, object]) -> ccxt.pro.binanceusdm:
    """The exchange with one market, without asking REST for it."""
    binance = ccxt.pro.binanceusdm({"newUpdates": True, **settings})
    binance.set_markets([_MARKET])
    return binance


class Client:
    """What a handler asks of its connection."""

    def __init__(self, counter: Counter) -> None:
        self.url = "wss://fstream.binance.com/stream"
        self.subscriptions: dict[str, object] = {}
        self.futures: dict[str, object] = {}
        self.rejections: dict[str, object] = {}
        self._counter = counter

    def resolve(self, result: object, _message_hash: str) -> object:
        """A watcher would wake up."""
        return result

    def reject(self, error: Exception, _message_hash: str = "") -> None:
        """A watcher would be told."""
        raise error


def handler() -> None:
    """Its message handler alone; frames are parsed by orjson, as its connection does where orjson is installed."""
    counter = Counter()
    binance, client = exchange({}), Client(counter)

    def run(frames: Sequence[bytes]) -> None:
        for frame in frames:
            binance.handle_message(client, orjson.loads(frame))
            counter.hand_on()

    answer(run, BOOKLESS, counter, 8_000)


async def socket(port: str) -> None:
    """Its whole way, from `watch_trades` on."""
    here = f"ws://127.0.0.1:{port}/ws"
    binance = exchange({"urls": {"api": {"ws": {"linear": here, "future": here}}}})
    take, handle = Counter().time, binance.handle_message

    def counted(client: object, message: object) -> None:
        handle(client, message)
        take()

    binance.handle_message = counted
    while True:
        await binance.watch_trades(_SYMBOL)


if __name__ == "__main__":
    handler() if sys.argv[1] == "handler" else asyncio.run(socket(sys.argv[2]))
