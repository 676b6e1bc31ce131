"""Reading a tape: which stream a recorded frame belongs to, and the payload within it, untouched.

In: frames as recorded, in the combined envelope, raw, or a bare REST reply. Out: what to play. Subscription answers
and anything else that was not on a stream is no part of the market and yields nothing.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from perpscope.lab.recorded_books import Diff, Snapshot
from perpscope.model.instrument import Instrument, instrument_id

TapedFrame = tuple[str, int, bytes]  #: (connection, ns UTC, frame as recorded)


class Played(msgspec.Struct, frozen=True, gc=False):
    """One payload and the streams that carry it today."""

    symbol: str  #: upper case; empty for an all-market stream
    streams: tuple[str, ...]
    payload: bytes
    diff: Diff | None = None


class _Named(msgspec.Struct):
    s: str = ""
    i: str = ""


class _Frame(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    e: str = ""
    s: str = ""
    k: _Named | None = None
    o: _Named | msgspec.UnsetType = msgspec.UNSET
    last_update_id: int | None = msgspec.field(name="lastUpdateId", default=None)


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_diff = msgspec.json.Decoder(Diff).decode
_decode_snapshot = msgspec.json.Decoder(Snapshot).decode

_SPEEDS = ("", "@0ms", "@100ms", "@250ms", "@500ms")
_RAW_NAMES = {"aggTrade": "aggTrade", "trade": "trade", "bookTicker": "bookTicker", "depthUpdate": "depth"}
_RAW_NAMES |= {"markPriceUpdate": "markPrice", "24hrTicker": "ticker", "24hrMiniTicker": "miniTicker"}
_QUOTES = ("USDT", "USDC", "BUSD")


class TapeReader:
    """Remembers what each recorded stream is called today, so that a frame costs one look."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, tuple[str, ...], bool]] = {}

    def read(self, frame: bytes) -> Played | Snapshot | None:
        """What to play; None if the frame was not on a stream or is no JSON of Binance."""
        try:
            if frame[:1] == b"[":
                return self._played("!markPrice@arr", frame) if b'"markPriceUpdate"' in frame else None
            read = _decode_frame(frame)
            if read.stream:
                return self._played(read.stream, bytes(read.data))
            if read.last_update_id is not None:
                return _decode_snapshot(frame)
            stream = _raw_stream(read)
            return self._played(stream, frame) if stream else None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _played(self, stream: str, payload: bytes) -> Played:
        known = self._names.get(stream)
        if known is None:
            known = self._names[stream] = _served_as(stream)
        symbol, streams, is_diff = known
        return Played(symbol, streams, payload, _decode_diff(payload) if is_diff else None)


def _raw_stream(read: _Frame) -> str:
    """The stream of a raw payload, by its own fields; empty if it is none."""
    symbol = read.s.lower()
    if read.e == "kline" and read.k is not None:
        return f"{symbol}@kline_{read.k.i}"
    if read.e == "forceOrder" and isinstance(read.o, _Named):
        return f"{read.o.s.lower()}@forceOrder"
    return f"{symbol}@{_RAW_NAMES[read.e]}" if symbol and read.e in _RAW_NAMES else ""


def _served_as(stream: str) -> tuple[str, tuple[str, ...], bool]:
    """Symbol, names under which the stream is served, and whether it is a diff of a book."""
    lower, _, channel = stream.partition("@")
    symbol = "" if stream.startswith("!") else lower.upper()
    if channel == "depth" or channel.startswith("depth@"):
        return symbol, tuple(f"{lower}@depth{speed}" for speed in _SPEEDS), True
    if channel.startswith("markPrice") or stream.startswith("!markPrice@arr"):
        base = stream.removesuffix("@1s")
        return symbol, (base, f"{base}@1s"), False
    return symbol, (stream,), False


def instruments(frames: Iterable[TapedFrame], reader: TapeReader) -> list[Instrument]:
    """What is traded on a stretch of tape; ticks and steps are as fine as the numbers are written."""
    found: dict[str, Instrument] = {}
    for _, _, frame in frames:
        played = reader.read(frame)
        if isinstance(played, Played) and played.symbol:
            known = found.get(played.symbol)
            if known is None or known.tick_size is None:
                found[played.symbol] = _instrument(played)
    return list(found.values())


def _instrument(played: Played) -> Instrument:
    quote = next((quote for quote in _QUOTES if played.symbol.endswith(quote)), "")
    base = played.symbol.removesuffix(quote)
    level = (
        next(iter((*played.diff.bids, *played.diff.asks)), None) if played.diff is not None else _level(played.payload)
    )
    return Instrument(
        id=instrument_id("binance", base, quote or "USD"),
        venue="binance",
        symbol=played.symbol,
        base=base,
        quote=quote or "USD",
        tick_size=None if level is None else _grain(level[0]),
        step_size=None if level is None else _grain(level[1]),
    )


class _Priced(msgspec.Struct):
    p: str = ""
    q: str = ""
    b: str = ""
    B: str = ""
    e: str = ""


_decode_priced = msgspec.json.Decoder(_Priced).decode


def _level(payload: bytes) -> tuple[str, str] | None:
    """A price and a size of a trade or quote, as written; None for anything else."""
    try:
        priced = _decode_priced(payload)
    except msgspec.MsgspecError:
        return None
    if priced.e == "bookTicker":
        return priced.b, priced.B
    return (priced.p, priced.q) if priced.e in ("trade", "aggTrade") else None


def _grain(number: str) -> Decimal:
    """The smallest step a number is written with: `"58710.20"` → 0.01."""
    return Decimal(1).scaleb(-len(number.partition(".")[2]))
