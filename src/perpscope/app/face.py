"""What a face knows of its heart: what was told last, and how long ago; handed on to whoever follows.

In: the messages of a bus. Out: the market, the status and each thing as it comes. A heart that falls silent is stale,
one that is gone is gone; what it told last stays to be shown with its age.
"""

import asyncio
import enum
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from perpscope.app.status import Status
from perpscope.feeds.clock import wall_ns
from perpscope.model.bulletin import BusHealth, Event, MapNews, MarketLine, Message, Topic
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import Signal
from perpscope.ports import Subscriber

#: A heart tells its status every real second; after so many without a word it is stale.
STALE_AFTER_S: Final = 5.0
#: A Redis tells late comers what a heart said before it died: a first status so old is no sign of life (real seconds).
_OLD_S: Final = 15.0
_AGAIN_FIRST_S: Final = 0.1
_AGAIN_MOST_S: Final = 30.0
_DECODE: Final[Mapping[Topic, Callable[[bytes], object]]] = {
    Topic.EVENTS: msgspec.msgpack.Decoder(list[Event]).decode,
    Topic.MARKET: msgspec.msgpack.Decoder(MarketLine).decode,
    Topic.STATUS: msgspec.json.Decoder(Status).decode,
    Topic.MAPS: msgspec.msgpack.Decoder(MapNews).decode,
    Topic.SIGNALS: msgspec.msgpack.Decoder(list[Signal]).decode,
}
_TOPICS: Final = {topic.value: topic for topic in Topic}
#: Every topic by name: what a face listens to.
TOPICS: Final = tuple(_TOPICS)
_log = structlog.get_logger()

#: Told the topic, the key of a state, what the payload means, and the payload.
Told: TypeAlias = Callable[[Topic, str | None, Any, bytes], None]


class Heart(enum.Enum):
    """How the heart of a face is doing."""

    LIVE = "live"
    STALE = "stale"  #: connected, and silent for longer than `STALE_AFTER_S`
    GONE = "gone"  #: it was heard, and has said that it ends, or the bus has lost it
    NONE = "none"  #: never heard: a face on a store alone


class Live:
    """What the heart told last, for one face. Everything runs on the face's event loop.

    Args:
        subscriber: the bus; None = there is no heart to listen to.
        monotonic: real seconds from any origin.
    """

    def __init__(self, subscriber: Subscriber | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._subscriber = subscriber
        self._monotonic = monotonic
        self._heard_at: float | None = None
        self._older_s = 0.0  # how old what was heard was already, as far as that shows
        self._status: bytes | None = None
        self._told_status: Status | None = None
        self._market: dict[InstrumentId, MarketLine] = {}
        self._runs: dict[InstrumentId, str] = {}
        self._followers: list[Told] = []
        self.version = 0  #: grows with each thing heard
        self.missed = 0  #: messages that went lost on their way, as the bus counted them
        self.unreadable = 0  #: messages of a heart that speaks otherwise than this face

    async def run(self) -> None:
        """Listen until cancelled; whatever goes wrong, it begins anew."""
        if self._subscriber is None:
            await asyncio.Event().wait()
            return
        wait_s = _AGAIN_FIRST_S
        while True:
            before = self.version
            try:
                async for messages in self._subscriber.messages():
                    for message in messages:
                        self._take(message)
            except Exception:  # a face outlives its bus
                _log.exception("the bus failed; it is listened to again")
            wait_s = _AGAIN_FIRST_S if self.version != before else wait_s
            await asyncio.sleep(wait_s)
            wait_s = min(_AGAIN_MOST_S, wait_s * 2)

    async def aclose(self) -> None:
        """Let go of the bus."""
        if self._subscriber is not None:
            await self._subscriber.aclose()

    @property
    def heart(self) -> Heart:
        """How it is doing."""
        heard_s = self.heard_s
        if heard_s is None or self._subscriber is None:
            return Heart.NONE
        told = None if self._told_status is None else self._told_status.heart
        if not self._subscriber.health().is_connected or (told is not None and not told.is_running):
            return Heart.GONE
        return Heart.STALE if heard_s > STALE_AFTER_S else Heart.LIVE

    @property
    def heard_s(self) -> float | None:
        """Real seconds since anything was heard; None before."""
        return None if self._heard_at is None else self._monotonic() - self._heard_at + self._older_s

    @property
    def status(self) -> bytes | None:
        """The newest status, JSON; None before the first."""
        return self._status

    @property
    def told_status(self) -> Status | None:
        """The newest status, decoded; None before the first."""
        return self._told_status

    @property
    def market(self) -> Mapping[InstrumentId, MarketLine]:
        """Each instrument as it stood last."""
        return self._market

    def follow(self, told: Told) -> Callable[[], None]:
        """Be told of each message from now on; what is returned ends it.

        Args:
            told: called on the event loop; must not wait. One that raises is told of the next all the same.
        """
        self._followers.append(told)

        def unfollow() -> None:
            if told in self._followers:
                self._followers.remove(told)

        return unfollow

    def bus(self) -> BusHealth | None:
        """How the bus is doing; None where there is none."""
        return None if self._subscriber is None else self._subscriber.health()

    def _take(self, message: Message) -> None:
        """Keep what is a state, tell whoever follows."""
        self._heard_at = self._monotonic()
        self.version += 1
        self.missed += message.missed
        topic = _TOPICS.get(message.topic)
        if topic is None:
            return
        try:
            payload = _DECODE[topic](message.payload)
        except msgspec.MsgspecError as error:
            self.unreadable += 1
            if self.unreadable == 1:
                _log.warning("the heart speaks otherwise than this face", topic=message.topic, why=str(error))
            return
        self._keep(payload, message)
        for told in tuple(self._followers):
            try:
                told(topic, message.key, payload, message.payload)
            except Exception:  # one follower's trouble is not the others'
                _log.exception("a follower failed", topic=message.topic)

    def _keep(self, payload: object, message: Message) -> None:
        match payload:
            case MarketLine():
                self._market[payload.instrument] = payload
                self._runs[payload.instrument] = message.run
            case Status():
                self._older_s = _age_s(payload) if self._told_status is None else 0.0
                self._status, self._told_status = message.payload, payload
                self._forget_other_runs(message.run)
            case _:
                pass

    def _forget_other_runs(self, run: str) -> None:
        """Drop what an earlier heart told of instruments that this one does not tell of."""
        for instrument in [name for name, told in self._runs.items() if told != run]:
            del self._market[instrument], self._runs[instrument]


def _age_s(status: Status) -> float:
    """How long ago a first status was told, where that is too long to come from a living heart; real seconds."""
    age_s = 0.0 if status.heart is None else wall_ns() / 1e9 - status.heart.wall_ms / 1e3
    return age_s if age_s > _OLD_S else 0.0
