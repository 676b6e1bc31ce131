"""The board: the channels somebody listens to, kept at what the heart told last.

In: messages of the heart, as the face hears them. Out: channels with news. A channel but for the two that every event
goes through is there only while somebody listens.
"""

import math
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from perpscope.model.bulletin import Event, MapNews, MarketLine, Topic
from perpscope.model.market import Candle, Gap, Liquidation
from perpscope.model.order import Signal
from perpscope.web.problem import Refused
from perpscope.web.push import rows
from perpscope.web.push.channels import KEEP_ROWS, RECENT_ROWS, Channel, EventChannel, StateChannel
from perpscope.web.push.figures import Figures
from perpscope.web.push.tape import Tape, Wanted

if TYPE_CHECKING:
    from perpscope.app.face import Live

_NAME: Final = re.compile(
    r"(?P<family>[a-z]{1,20})(?::(?P<symbol>[A-Za-z0-9._-]{1,64}))?(?:@(?P<usd>[0-9]{1,12}(?:\.[0-9]{1,6})?))?"
)
_WITHOUT_SYMBOL: Final = ("status", "liquidations", "market", "gaps", "signals")
_WITH_SYMBOL: Final = ("liquidations", "market", "candles", "signals")
#: Parts of the status that are nobody's business beyond this machine.
_KEPT_BACK: Final = ("database",)
_SHOWN: Final = 80
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Board:
    """All channels.

    Args:
        live: what the heart tells.
        changed: called when a channel has changed.
        figures: keeps the channels of answers; None = those are not offered.
    """

    def __init__(self, live: "Live", changed: Callable[[], None], figures: Figures | None = None) -> None:
        self._live, self._changed, self._figures = live, changed, figures
        self.tape = Tape()
        self._liquidations, self._gaps = EventChannel("liquidations"), EventChannel("gaps")
        self._signals = EventChannel("signals")
        self._always = (self._liquidations, self._gaps, self._signals)
        self._open: dict[str, Channel] = {c.name: c for c in self._always}
        self._chosen: dict[EventChannel, Wanted] = {}
        self._thought: deque[tuple[tuple[str, ...], bytes]] = deque(maxlen=KEEP_ROWS)
        self._thinking: dict[EventChannel, str] = {}

    @property
    def names(self) -> list[str]:
        """The channels that are kept now."""
        return list(self._open)

    def open(self, name: str) -> Channel:
        """The channel of this name, made if nobody listened to it yet.

        Raises:
            Refused: "channel-unknown", with those there are.
        """
        family, symbol, usd = self._read(name)
        canonical = family + (f":{symbol}" if symbol else "") + (f"@{usd:f}".rstrip("0").rstrip(".") if usd else "")
        channel = self._open.get(canonical)
        if channel is None:
            channel = self._open[canonical] = self._make(canonical, family, symbol, usd)
        return channel

    def close(self, channel: Channel) -> None:
        """Nobody listens to it any more."""
        if channel in self._always or self._open.get(channel.name) is not channel:
            return
        del self._open[channel.name]
        if isinstance(channel, EventChannel):
            self._chosen.pop(channel, None)
            self._thinking.pop(channel, None)
        elif self._figures is not None:
            self._figures.drop(channel)

    def turn(self, ts_ms: int) -> bool:
        """Make messages of all news; False if there is none."""
        has_news = [channel for channel in self._open.values() if channel.turn(ts_ms)]
        if self._liquidations in has_news:
            self.tape.turn()
        return bool(has_news)

    def told(self, topic: Topic, key: str | None, payload: object, raw: bytes) -> None:  # noqa: ARG002 -- as `Live` tells
        """The heart has told something."""
        match payload:
            case MarketLine():
                self._market(payload)
            case MapNews():
                if self._figures is not None:
                    self._figures.news(f"map:{payload.name.upper()}")
            case list() if topic is Topic.SIGNALS:
                for signal in payload:
                    self._signal(signal)
            case list():
                for event in payload:
                    self._event(event)
            case _ if topic is Topic.STATUS:
                self._status(raw)
            case _:
                return
        self._changed()

    def look(self) -> None:
        """See how the heart is doing: its silence is told by nobody else."""
        channel = self._open.get("status")
        if isinstance(channel, StateChannel):
            channel.change(self._heart_members())
            self._changed()

    def _read(self, name: str) -> tuple[str, str | None, float]:
        """Family, symbol and least dollars of a channel's name.

        Raises:
            Refused: there is no such channel.
        """
        found = _NAME.fullmatch(name)
        if found is not None:
            family, symbol, usd = found["family"], found["symbol"], float(found["usd"] or 0)
            figures = () if self._figures is None else self._figures.families
            is_known = family in ((*_WITH_SYMBOL, *figures) if symbol else _WITHOUT_SYMBOL)
            is_whole = family != "candles" or "." in symbol
            if is_known and is_whole and (family == "liquidations" or found["usd"] is None):
                return family, symbol and symbol.upper(), usd
        raise _unknown(name)

    def _make(self, name: str, family: str, symbol: str | None, usd: float) -> Channel:
        """A channel that knows what is known."""
        match family:
            case "liquidations":
                wanted = Wanted(symbol, usd)
                recent = self.tape.recent(RECENT_ROWS, wanted)
                chosen = EventChannel(name, (row.text for row in recent))
                self._chosen[chosen] = wanted
                return chosen
            case "signals" if symbol is not None:
                thinking = EventChannel(name, [row for names, row in self._thought if symbol in names])
                self._thinking[thinking] = symbol
                return thinking
            case "status":
                return StateChannel(name, self._status_members(self._live.status))
            case "market":
                lines = self._live.market.values()
                asked = (line for line in lines if symbol is None or symbol in rows.names_of(line.instrument))
                return StateChannel(name, {line.instrument: rows.market_row(line, self._data) for line in asked})
            case "candles":
                channel = StateChannel(name, {})
                for line in self._live.market.values():
                    if line.instrument.upper() == symbol and line.candle is not None:
                        channel.change(self._candle_members(line.candle))
                return channel
            case _ if self._figures is not None and symbol is not None:
                channel = StateChannel(name)
                self._figures.keep(channel, family, symbol)
                return channel
            case _:
                raise _unknown(name)

    @property
    def _data(self) -> str | None:
        """Where the market comes from."""
        told = self._live.told_status
        return None if told is None else told.data.value

    def _status(self, raw: bytes) -> None:
        channel = self._open.get("status")
        if isinstance(channel, StateChannel):
            channel.change(self._status_members(raw))
        market = self._live.market
        for other in self._open.values():
            if isinstance(other, StateChannel) and other.name.startswith("market"):
                other.change({name: b"null" for name in other.members if name not in market})

    def _status_members(self, raw: bytes | None) -> dict[str, bytes]:
        told = {} if raw is None else _members(raw)
        members = {name: bytes(value) for name, value in told.items() if name not in _KEPT_BACK}
        return {**members, **self._heart_members()}

    def _heart_members(self) -> dict[str, bytes]:
        """What the heart cannot tell of itself: how it is doing, and how much of what it told was lost on its way."""
        return {"heart_state": b'"%b"' % self._live.heart.value.encode(), "missed": b"%d" % self._live.missed}

    def _market(self, line: MarketLine) -> None:
        names = rows.names_of(line.instrument)
        asked = [self._open.get(name) for name in ("market", *(f"market:{name}" for name in names))]
        listening = [channel for channel in asked if isinstance(channel, StateChannel)]
        if listening:
            row = rows.market_row(line, self._data)
            for channel in listening:
                channel.change({line.instrument: row})
        if line.candle is not None:
            self._candle(line.candle)

    def _candle(self, candle: Candle) -> None:
        channel = self._open.get(f"candles:{candle.instrument.upper()}")
        if isinstance(channel, StateChannel):
            channel.change(self._candle_members(candle))

    def _candle_members(self, candle: Candle) -> dict[str, bytes]:
        """The newest candle of its interval, and the newest that is closed."""
        row, name = rows.candle_row(candle, self._data), candle.interval.value
        return {name: row, f"{name}_closed": row} if candle.is_closed else {name: row}

    def _signal(self, signal: Signal) -> None:
        row, names = rows.signal_row(signal), rows.names_of(signal.instrument)
        self._signals.add(row)
        self._thought.append((names, row))
        for channel, symbol in self._thinking.items():
            if symbol in names:
                channel.add(row)

    def _event(self, event: Event) -> None:
        match event:
            case Liquidation():
                row, names = rows.liquidation_row(event, self._data), rows.names_of(event.instrument)
                usd = event.notional_usd if math.isfinite(event.price) else 0.0
                self.tape.add(names, usd, row)
                self._liquidations.add(row)
                for channel, wanted in self._chosen.items():
                    if wanted.takes(names, usd):
                        channel.add(row)
            case Candle():
                self._candle(event)
            case Gap():
                self._gaps.add(rows.gap_row(event, self._data))
            case _:
                return


def _unknown(name: str) -> Refused:
    shown = repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
    hint = "status, gaps, liquidations[:SYMBOL][@USD], market[:SYMBOL], signals[:SYMBOL], candles:ID, map:COIN"
    return Refused(404, "channel-unknown", f"there is no channel {shown}", hint=hint)
