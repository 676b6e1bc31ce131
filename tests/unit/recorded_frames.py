"""Frames and replies as they were recorded or printed by others, by kind: `binance ws aggTrade`, `bybit GET …/kline`.

In: the folder of recorded market data. Out: a `Recorded` for each file and kind in it that the lab can tell too. What
is dead, dated or of other products is left out here, each with its reason in docs/lab-frames.md.
"""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import zstandard
from tests.unit.frame_schema import Json

_DECODE = msgspec.json.Decoder().decode
_FIRST_LINES = 5_000  # of a file of 94,000: the kinds come mixed
_LIQUIDATIONS = "wire/liquidation-frames/frames.jsonl"
_PAYLOADS = "rest/payloads"
_PRINTED = "rest/payloads/binance_resources/http_responses"


class Recorded(NamedTuple):
    """Frames of one kind in one file."""

    kind: str
    source: str  #: file, within the folder of recorded data
    frames: list[Json]


def recorded(folder: Path) -> list[Recorded]:
    """Everything, by kind and file."""
    rows = (row for read in _READERS for row in read(folder))
    by_kind: dict[tuple[str, str], list[Json]] = {}
    for kind, source, frame in rows:
        by_kind.setdefault((kind, source), []).append(frame)
    return [Recorded(kind, source, frames) for (kind, source), frames in sorted(by_kind.items())]


_Row = tuple[str, str, Json]  # kind, source, frame


def _told(frame: Json) -> tuple[str, Json]:
    """Kind and payload of a frame of Binance, in an envelope or not."""
    payload = frame["data"] if "stream" in frame else frame
    return f"binance ws {payload['e']}", payload


# Binance -------------------------------------------------------------------------------------------------------------


def _binance_2024(folder: Path) -> Iterator[_Row]:
    """`<ns> <frame>` lines of August 2024, with one REST snapshot among them."""
    name = "wire/binance/usdm_btcusdt_20240808.gz"
    with gzip.open(folder / name) as lines:
        for line in islice(lines, _FIRST_LINES):
            frame = _DECODE(line.partition(b" ")[2])
            if "lastUpdateId" in frame:
                yield "binance GET /fapi/v1/depth", name, frame
            else:
                yield _told(frame)[0], name, _told(frame)[1]


def _binance_2021(folder: Path) -> Iterator[_Row]:
    """A session of 2021: its envelopes, its frames, its REST."""
    name = "wire/recordings/binance_futures.jsonl.zst"
    for record in _session(folder / name):
        match record:
            case {"t": "http", "url": str(url), "data": str(data)}:
                yield f"binance GET {urlsplit(url).path}", name, _DECODE(data)
            case {"t": "recv", "data": str(data)}:
                frame = _DECODE(data)
                yield "binance ws envelope", name, {**frame, "data": {}}
                yield _told(frame)[0], name, _told(frame)[1]


def _binance_2026(folder: Path) -> Iterator[_Row]:
    """Byte-exact frames of /market, August 2026."""
    name = "wire/liquidation-frames/binance_usdm_market_20260808.txt"
    for line in filter(None, (folder / name).read_bytes().splitlines()):
        frame = _DECODE(line)
        yield "binance ws envelope", name, {**frame, "data": {}}
        yield _told(frame)[0], name, _told(frame)[1]


def _binance_normalised(folder: Path) -> Iterator[_Row]:
    """Frames of 2019 to 2021 that another project's tests hold."""
    name = "wire/normalised/raw_messages.json"
    for frame in _normalised(folder)["binance futures messages"]["arrays"]["messages"]:
        if "generated" not in frame:  # made up by that project: REST told as streams
            yield _told(frame)[0], name, _told(frame)[1]


_STREAMS = {
    "ws_futures_book_ticker.json": "bookTicker",
    "ws_futures_depth_diff_update.json": "depthUpdate",
    "ws_futures_depth_update.json": "depthUpdate",
    "ws_futures_ticker_24hr.json": "24hrTicker",
}
_OWN_EVENTS = ("ws_futures_order_update_*.json", "ws_futures_algo_update_*.json", "ws_futures_trade_lite.json")
_OWN_ROUTES = {
    "account_orders": "/fapi/v1/allOrders",
    "account_position_side_dual": "/fapi/v1/positionSide/dual",
    "account_positions_hedge": "/fapi/v2/positionRisk",
    "account_positions_one_way": "/fapi/v2/positionRisk",
    "account_symbol_config": "/fapi/v1/symbolConfig",
    "account_trades": "/fapi/v1/userTrades",
    "wallet_commission_rate_btcusdt": "/fapi/v1/commissionRate",
}
_ROUTES = {
    "agg_trades": "/fapi/v1/aggTrades",
    "book_ticker": "/fapi/v1/ticker/bookTicker",
    "depth": "/fapi/v1/depth",
    "exchange_info": "/fapi/v1/exchangeInfo",
    "funding_rate": "/fapi/v1/fundingRate",
    "global_long_short_account_ratio": "/futures/data/globalLongShortAccountRatio",
    "index_price_klines": "/fapi/v1/indexPriceKlines",
    "klines": "/fapi/v1/klines",
    "mark_price_klines": "/fapi/v1/markPriceKlines",
    "open_interest": "/fapi/v1/openInterest",
    "open_interest_historical": "/futures/data/openInterestHist",
    "premium_index": "/fapi/v1/premiumIndex",
    "taker_long_short_ratio": "/futures/data/takerlongshortRatio",
    "ticker_24hr": "/fapi/v1/ticker/24hr",
    "ticker_price": "/fapi/v1/ticker/price",
    "top_long_short_account_ratio": "/futures/data/topLongShortAccountRatio",
    "top_long_short_position_ratio": "/futures/data/topLongShortPositionRatio",
    "trades": "/fapi/v1/trades",
}


def _binance_printed(folder: Path) -> Iterator[_Row]:
    """The venue's documentation examples."""
    for file, event in _STREAMS.items():
        name = f"rest/payloads/binance_resources/ws_messages/{file}"
        yield f"binance ws {event}", name, json.loads((folder / name).read_bytes())
    for file, route in _ROUTES.items():
        name = f"{_PRINTED}/http_futures_market_{file}.json"
        yield f"binance GET {route}", name, _one(json.loads((folder / name).read_bytes()), route)


def _binance_own(folder: Path) -> Iterator[_Row]:
    """What another project's tests hold of a customer's events and answers."""
    for pattern in _OWN_EVENTS:
        for path in sorted((folder / "rest/payloads/binance_resources/ws_messages").glob(pattern)):
            kind, payload = _told(json.loads(path.read_bytes()))
            yield kind, str(path.relative_to(folder)), payload
    for file, route in _OWN_ROUTES.items():
        name = f"{_PRINTED}/http_futures_{file}.json"
        yield f"binance GET {route}", name, json.loads((folder / name).read_bytes())


def _binance_routes(folder: Path) -> Iterator[_Row]:
    """REST as it was answered between 2020 and 2025."""
    name = "rest/binance_futures_http.json.gz"
    for path, methods in json.loads(gzip.decompress((folder / name).read_bytes()))["routes"].items():
        for call in methods.get("GET", []):
            if path.startswith(("/fapi/v1/", "/futures/data/")) and call["data"]:
                kind = "binance GET refusal" if "code" in call["data"] else f"binance GET {path}"
                yield kind, name, _one(call["data"], path)
    name = "rest/binance_tickers_24h.json.gz"
    yield "binance GET /fapi/v1/ticker/24hr", name, json.loads(gzip.decompress((folder / name).read_bytes()))[0]


#: routes that answer with one row or with many, by what is asked: a row is compared with a row
_ONE_OR_MANY = ("/fapi/v1/premiumIndex", "/fapi/v1/ticker/")


def _one(reply: Json, route: str) -> Json:
    return reply[0] if route.startswith(_ONE_OR_MANY) and isinstance(reply, list) else reply


# the others ----------------------------------------------------------------------------------------------------------


def _liquidations(folder: Path) -> Iterator[_Row]:
    """Liquidations of three venues, captured 2025 and 2026."""
    for line in (folder / _LIQUIDATIONS).read_text("utf-8").splitlines():
        row = json.loads(line)
        match row["venue"]:
            case "binance" | "binance-testnet":
                yield (
                    "binance ws forceOrder",
                    f"{_LIQUIDATIONS} ({row['captured'][:4]}, {row['venue']})",
                    _told(row["frame"])[1],
                )
            case venue:
                yield f"{venue} ws {row['channel']}", _LIQUIDATIONS, row["frame"]


_OKX_CHANNELS = ("tickers", "trades", "books")
_OKX_SWAP = "UNI-USD-SWAP"


def _okx_2022(folder: Path) -> Iterator[_Row]:
    """A session of 2022; of it the perpetual."""
    name = "wire/recordings/okx.jsonl.zst"
    for record in _session(folder / name):
        if record["t"] == "recv":
            frame = _DECODE(record["data"])
            if frame["arg"]["instId"] == _OKX_SWAP:
                yield _okx_kind(frame), name, frame


def _okx_normalised(folder: Path) -> Iterator[_Row]:
    name = "wire/normalised/raw_messages.json"
    for frame in _normalised(folder)["okex-swap messages"]["arrays"]["okexSwapV5Messages"]:
        if frame["arg"]["channel"] != "books-l2-tbt":  # needs a login
            yield _okx_kind(frame), name, frame


def _okx_kind(frame: Json) -> str:
    return "okx ws ack" if "event" in frame else f"okx ws {frame['arg']['channel']} {frame.get('action', '')}".strip()


def _bitget_normalised(folder: Path) -> Iterator[_Row]:
    name = "wire/normalised/raw_messages.json"
    for frame in _normalised(folder)["bitget-futures messages"]["arrays"]["messages"]:
        channel, action = frame["arg"]["channel"], frame.get("action", "")
        is_chained = channel in ("books", "trade")
        told = f"{channel} {action}" if is_chained else channel
        yield f"bitget ws v2 {'ack' if 'event' in frame else told}", name, frame


def _hyperliquid_2025(folder: Path) -> Iterator[_Row]:
    name = "wire/hyperliquid/btc_20250126.gz"
    with gzip.open(folder / name) as lines:
        for line in lines:
            frame = _DECODE(line.partition(b" ")[2])
            yield f"hyperliquid ws {frame['channel']}", name, frame


#: payloads of other projects' tests: some captured, some written by hand after captures; which is not said there
_SAMPLES = {
    "bybit/ws_kline.json": "bybit ws kline",
    "bybit/ws_orderbook_delta.json": "bybit ws orderbook delta",
    "bybit/ws_orderbook_snapshot.json": "bybit ws orderbook snapshot",
    "bybit/ws_public_trade.json": "bybit ws publicTrade",
    "bybit/ws_ticker_linear.json": "bybit ws tickers snapshot",
    "bybit/ws_subscription_ack.json": "bybit ws ack",
    "bybit/ws_subscription_failure.json": "bybit ws refusal",
    "bybit/http_get_funding_history.json": "bybit GET funding/history",
    "bybit/http_get_instruments_linear.json": "bybit GET instruments-info",
    "bybit/http_get_klines_linear.json": "bybit GET kline",
    "bybit/http_get_orderbook.json": "bybit GET orderbook",
    "bybit/http_get_trades_recent.json": "bybit GET recent-trade",
    "okx/http_get_candlesticks.json": "okx GET market/candles",
    "okx/http_get_candlesticks_full.json": "okx GET market/candles",
    "okx/http_get_funding_rate_history.json": "okx GET public/funding-rate-history",
    "okx/http_get_index_price.json": "okx GET market/index-tickers",
    "okx/http_get_instruments_swap.json": "okx GET public/instruments",
    "okx/http_get_mark_price.json": "okx GET public/mark-price",
    "okx/http_get_order_book.json": "okx GET market/books",
    "okx/http_get_position_tiers.json": "okx GET public/position-tiers",
    "okx/http_get_trades.json": "okx GET market/trades",
    "okx/ws_bbo_tbt.json": "okx ws bbo-tbt",
    "okx/ws_books_snapshot.json": "okx ws books snapshot",
    "okx/ws_books_update.json": "okx ws books update",
    "okx/ws_candle.json": "okx ws candle",
    "okx/ws_funding_rate.json": "okx ws funding-rate",
    "okx/ws_instruments.json": "okx ws instruments",
    "okx/ws_tickers.json": "okx ws tickers",
    "okx/ws_trades.json": "okx ws trades",
    "hyperliquid/http_all_perp_metas_non_usdc_collateral.json": "hyperliquid POST allPerpMetas",
    "hyperliquid/http_clearinghouse_state_negative_total_raw_usd.json": "hyperliquid POST clearinghouseState",
    "hyperliquid/http_funding_history.json": "hyperliquid POST fundingHistory",
    "hyperliquid/http_l2_book_btc.json": "hyperliquid POST l2Book",
    "hyperliquid/http_meta_perp_sample.json": "hyperliquid POST meta",
    "hyperliquid/http_recent_trades_btc.json": "hyperliquid POST recentTrades",
    "hyperliquid/http_user_fills_dust_conversion.json": "hyperliquid POST userFills",
    "hyperliquid/ws_all_dexs_asset_ctxs.json": "hyperliquid ws allDexsAssetCtxs",
    "hyperliquid/ws_allmids.json": "hyperliquid ws allMids",
    "hyperliquid/ws_user_fill_liquidation.json": "hyperliquid ws user",
}


def _samples(folder: Path) -> Iterator[_Row]:
    for file, kind in _SAMPLES.items():
        name = f"{_PAYLOADS}/{file}"
        yield kind, name, json.loads((folder / name).read_bytes())
    name = "rest/bybit_tickers_linear.json.gz"
    yield "bybit GET tickers", name, json.loads(gzip.decompress((folder / name).read_bytes()))


def _session(path: Path) -> Iterator[Json]:
    """Records of a session, without its header."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        lines = io.TextIOWrapper(stream, "utf-8")
        next(lines)
        for line in lines:
            yield _DECODE(line)


def _normalised(folder: Path) -> Json:
    return json.loads((folder / "wire/normalised/raw_messages.json").read_bytes())


_READERS: tuple[Callable[[Path], Iterator[_Row]], ...] = (
    *(
        _binance_2024,
        _binance_2021,
        _binance_2026,
        _binance_normalised,
        _binance_printed,
        _binance_own,
        _binance_routes,
    ),
    *(_liquidations, _okx_2022, _okx_normalised, _bitget_normalised, _hyperliquid_2025, _samples),
)
