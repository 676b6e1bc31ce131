"""Binance USD-M frames as they are today, written from the documented fields: the mix of a busy market."""

import json
import random

_T = 1_790_000_000_000
STAMPED_NS = _T * 1_000_000  #: the time on every frame, ns UTC


def _combined(stream: str, data: dict[str, object]) -> bytes:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


def _levels(rng: random.Random, start: float, step: float) -> list[list[str]]:
    return [[f"{start + n * step:.2f}", f"{rng.random() * 9:.3f}"] for n in range(20)]


def frames() -> dict[str, bytes]:
    """One frame of each kind."""
    rng = random.Random(7)
    return {
        "aggTrade": _combined(
            "btcusdt@aggTrade",
            {"e": "aggTrade", "E": _T, "s": "BTCUSDT", "a": 2987654321, "p": "86543.20", "q": "0.153", "nq": "0.153"}
            | {"f": 6123456789, "l": 6123456791, "T": _T - 3, "m": True, "st": 1},
        ),
        "bookTicker": _combined(
            "btcusdt@bookTicker",
            {"e": "bookTicker", "u": 8123456789012, "s": "BTCUSDT", "ps": "BTCUSDT", "b": "86543.10", "B": "12.345"}
            | {"a": "86543.20", "A": "3.210", "T": _T, "E": _T + 1, "st": 1},
        ),
        "depthUpdate": _combined(
            "btcusdt@depth@100ms",
            {"e": "depthUpdate", "E": _T, "T": _T - 2, "s": "BTCUSDT", "ps": "BTCUSDT", "U": 8123456780000}
            | {"u": 8123456789012, "pu": 8123456779999, "b": _levels(rng, 86543.1, -0.1)}
            | {"a": _levels(rng, 86543.2, 0.1), "st": 1},
        ),
        "kline": _combined(
            "btcusdt@kline_1m",
            {
                "e": "kline",
                "E": _T,
                "s": "BTCUSDT",
                "k": {"t": _T - 20_000, "T": _T + 39_999, "s": "BTCUSDT", "i": "1m", "f": 6123450000, "L": 6123456789}
                | {"o": "86500.00", "c": "86543.20", "h": "86560.00", "l": "86490.10", "v": "123.456", "n": 4321}
                | {"x": False, "q": "10683456.12", "V": "70.123", "Q": "6066789.01", "B": "0"},
            },
        ),
        "markPrice": _combined(
            "btcusdt@markPrice@1s",
            {"e": "markPriceUpdate", "E": _T, "s": "BTCUSDT", "p": "86540.12345678", "ap": "86541.00000000"}
            | {"P": "86500.11111111", "i": "86555.55555555", "r": "0.00010000", "T": _T + 3_600_000, "st": 1},
        ),
        "forceOrder": _combined(
            "btcusdt@forceOrder",
            {
                "e": "forceOrder",
                "E": _T,
                "o": {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "86100.10"}
                | {"ap": "86432.10", "X": "FILLED", "l": "0.014", "z": "0.014", "T": _T - 5, "ps": "BTCUSDT", "st": 1},
            },
        ),
    }


#: Of a hundred frames.
WEIGHTS = {"bookTicker": 55, "aggTrade": 25, "depthUpdate": 10, "kline": 6, "markPrice": 3, "forceOrder": 1}
#: Without books, of which other programs want a snapshot over REST first.
BOOKLESS = tuple(kind for kind in WEIGHTS if kind != "depthUpdate")


def mix(length: int = 10_000, kinds: tuple[str, ...] = tuple(WEIGHTS)) -> list[bytes]:
    """A shuffled stretch of about that length: mostly best bid/ask, a quarter trades, a tenth book diffs."""
    one_of_each = frames()
    shares = [one_of_each[kind] for kind in kinds for _ in range(WEIGHTS[kind])]
    tape = shares * (length // len(shares))
    random.Random(7).shuffle(tape)
    return tape
