"""Five more clients read the lab's markets, by their own settings or by their environment alone, under TLS.

What each understood is compared with what happened, row by row (`tests/peers/judging.py`). Where a client means
something else than its words say, `docs/lab.md` has the source. Each runs for some seconds of its own time.
"""

from pathlib import Path

import msgspec
import pytest

from tests.peers.judging import Judge, Terms
from tests.peers.meeting import BASES, START_NS, Met, interpreter, met

_RATE = 20.0  #: market seconds per real second: slow enough for clients that are slow to begin
_SECONDS = 7.0
#: the client's own clock is not the market's: what it must know of it, it is told
_ASKED = {"now_ms": START_NS // 1_000_000 + 120_000}
_SOCKETS = {"trades", "books", "candles_1m", "marks"}


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """A client, a venue, and what it can read there."""

    peer: str  #: its environment
    program: str  #: in `tests/peers`
    venue: str
    kinds: set[str]  #: what it must have read of each base
    terms: Terms = Terms()
    is_sealed: bool = False  #: led to the lab by its environment, under TLS
    is_legacy: bool = False  #: on the venue as it was: before Binance's routes, before OKX's port 8443 was closed
    complaints: tuple[str, ...] = ()  #: what it may say


_HYPERLIQUID_SDK = Reader(
    peer="hyperliquid-sdk",
    program="hyperliquid_sdk",
    venue="hyperliquid",
    kinds=_SOCKETS | {"quotes", "open_interests", "mids", "rest_books", "payments", "candles_15m", "listed"},
    terms=Terms(stamped_within_ms=100, paid_within_ms=1000),
)
_UNICORN = Reader(
    peer="unicorn",
    program="unicorn_streams",
    venue="binance",
    kinds=_SOCKETS | {"quotes", "lasts", "diffs", "liquidations"},
    terms=Terms(is_fill_told=True),
)
_PYTHON_OKX = Reader(
    peer="python-okx",
    program="python_okx",
    venue="okx",
    kinds=_SOCKETS
    | {"quotes", "lasts", "diffs", "liquidations", "open_interests", "rates", "rest_books", "rest_trades"}
    | {"candles_15m", "indices", "payments", "censuses", "listed"},
    terms=Terms(counted_after_ms=300_000),
    is_sealed=True,
)
_PYBIT = Reader(
    peer="pybit",
    program="pybit_sessions",
    venue="bybit",
    kinds=_SOCKETS
    | {"quotes", "lasts", "liquidations", "open_interests", "both_sides", "rest_books", "rest_trades"}
    | {"candles_15m", "payments", "censuses", "ratios", "listed"},
    is_sealed=True,
)
_CRYPTOFEED = Reader(
    peer="cryptofeed",
    program="cryptofeed_feeds",
    venue="binance",
    kinds=_SOCKETS | {"tops", "rates", "liquidations", "open_interests"},
    terms=Terms(liquidated_within_ms=1100),  # stamped with the message's time, at the end of its second
    is_sealed=True,
    is_legacy=True,
)
_CRYPTOFEED_BYBIT = Reader(
    peer="cryptofeed",
    program="cryptofeed_feeds",
    venue="bybit",
    kinds=_SOCKETS | {"tops", "rates", "indices", "open_interests"},
    terms=Terms(sides=2.0),
    is_sealed=True,
    complaints=("already subscribed",),
)
_CRYPTOFEED_OKX = Reader(
    peer="cryptofeed",
    program="cryptofeed_feeds",
    venue="okx",
    kinds={"trades", "books", "tops", "rates", "open_interests"},
    terms=Terms(is_in_contracts=True),
    is_sealed=True,
    is_legacy=True,
)
#: on Binance as it is, its un-routed socket hears public streams alone
_CRYPTOFEED_TODAY = msgspec.structs.replace(_CRYPTOFEED, kinds={"books", "tops", "open_interests"}, is_legacy=False)


async def _met(reader: Reader, folder: Path) -> Met:
    interpreter(reader.peer)  # skips before anything is opened
    if reader.is_sealed:
        pytest.importorskip("trustme", reason="the lab's extra is not installed: no TLS")
    return await met(
        reader.peer,
        reader.program,
        reader.venue,
        rate=_RATE,
        seconds=_SECONDS,
        options=_ASKED,
        tls=folder if reader.is_sealed else None,
        is_legacy=reader.is_legacy,
    )


@pytest.mark.soak
@pytest.mark.parametrize(
    "reader",
    [
        pytest.param(_UNICORN, id="unicorn-binance-websocket-api"),
        pytest.param(_HYPERLIQUID_SDK, id="hyperliquid-python-sdk"),
        pytest.param(_PYTHON_OKX, id="python-okx"),
        pytest.param(_PYBIT, id="pybit"),
        pytest.param(_CRYPTOFEED, id="cryptofeed-binance-legacy"),
        pytest.param(_CRYPTOFEED_TODAY, id="cryptofeed-binance-today"),
        pytest.param(_CRYPTOFEED_BYBIT, id="cryptofeed-bybit"),
        pytest.param(_CRYPTOFEED_OKX, id="cryptofeed-okx"),
    ],
)
async def test_client_reads_the_lab_as_it_would_the_venue(reader: Reader, tmp_path: Path) -> None:
    """Protects the lab's wires, as yet another reads them: all it can read comes, and every row of it is true."""
    meeting = await _met(reader, tmp_path)
    seen = meeting.seen
    assert [said for said in seen["errors"] if not any(known in said for known in reader.complaints)] == []
    for base in BASES:
        read = seen["read"][base]
        counted = Judge(meeting.truth[base], reader.terms).judge(read)
        print(f"{reader.peer} {seen['version']}, {reader.venue} {base}: {counted}")
        assert set(read) - {"liquidations"} == reader.kinds - {"liquidations"}
        assert counted.get("trades", 101) > 100
    if "liquidations" in reader.kinds:
        assert any("liquidations" in seen["read"][base] for base in BASES)
