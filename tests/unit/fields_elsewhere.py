"""Fields of frames that others captured and publish, where the recorded data has none of their kind: names and forms.

Written down here by hand as facts, without the frames; `SOURCES` says whose they are and of when.
"""

from tests.unit.frame_schema import Field, Schema

_BITGET = "tonymontanov/go-bitget, uta/stream_contract_test.go: captured 2026-09-21"
_ENVELOPE = {"": "{}", "action": '"word"', "arg": "{}", "data": "[]", "data[]": "{}", "ts": "time"}
_UNIFIED = _ENVELOPE | {"arg.instType": '"word"', "arg.topic": '"word"', "arg.symbol": '"WORD"'}
_FIGURES: tuple[str, ...] = (
    "highPrice24h",
    "lowPrice24h",
    "openPrice24h",
    "lastPrice",
    "turnover24h",
    "volume24h",
    "price24hPcnt",
)
_FIGURES += ("bid1Price", "ask1Price", "bid1Size", "ask1Size", "indexPrice", "markPrice", "fundingRate", "openInterest")
_DATED = ("deliveryTime", "deliveryStartTime", "deliveryStatus")

_KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "bitget ws v3 ticker": (
        _BITGET,
        _UNIFIED
        | {f"data[].{name}": '"figure"' for name in _FIGURES}
        | {f"data[].{name}": '""' for name in _DATED}
        | {"data[].nextFundingTime": '"time"'},
    ),
    "bitget ws v3 publicTrade": (
        _BITGET,
        _UNIFIED
        | {"arg.topic": '"Word"', "data[].T": '"time"', "data[].S": '"word"', "data[].isRPI": '"word"'}
        | {f"data[].{name}": '"figure"' for name in ("i", "p", "v", "L")},
    ),
    "bitget ws v3 books5": (
        _BITGET,
        _UNIFIED
        | {f"data[].{side}{level}": of for side in "ab" for level, of in (("", "[]"), ("[]", "[]"))}
        | {f"data[].{side}[][{place}]": '"figure"' for side in "ab" for place in (0, 1)}
        | {"data[].seq": "int", "data[].pseq": "int", "data[].ts": '"time"'},
    ),
}


def elsewhere() -> list[tuple[str, str, Schema]]:
    """Kind, source and schema of each; every field is always there."""
    return [
        (kind, source, {path: Field(frozenset({form}), True) for path, form in fields.items()})
        for kind, (source, fields) in _KINDS.items()
    ]
