"""What waits for a sink: a short queue and a task of its own, so that a slow one holds up nobody.

In: alerts and sayings. Out: a delivery for each, handed back as it is known. A newer phase of an alert takes the place
of one that still waits; when the queue is full, the oldest silent message goes first, and that is a delivery, too.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec
import structlog

from perpscope.analytics.alerts.alert import Alert, Phase
from perpscope.analytics.alerts.saying import Saying
from perpscope.app.alerts.sink import Delivery, Sink
from perpscope.app.alerts.standing import SinkLine
from perpscope.feeds.clock import wall_ns

MOST_WAITING: Final = 100
_AGAIN_S: Final = 5.0
_CLOSING_S: Final = 2.0
_NEW_SINK_MS: Final = 3_600_000
_log = structlog.get_logger()
Message: TypeAlias = Alert | Saying


class Outbox:
    """Everything for one sink.

    Args:
        sink: it goes to.
        done: called with each delivery, on the event loop.
    """

    def __init__(self, sink: Sink, done: Callable[[Delivery], None]) -> None:
        self._sink = sink
        self._done = done
        self._waiting: deque[Message] = deque()
        self._is_there = asyncio.Event()
        self._sent = self._failed = 0
        self._last_ms: int | None = None
        self._why: str | None = None

    def put(self, message: Message) -> None:
        """Let it wait its turn."""
        if isinstance(message, Alert) and message.phase is not Phase.RAISED:
            for at, other in enumerate(self._waiting):
                if isinstance(other, Alert) and other.id == message.id:
                    is_new = other.phase is Phase.RAISED
                    self._waiting[at] = msgspec.structs.replace(message, phase=Phase.RAISED) if is_new else message
                    return
        if len(self._waiting) >= MOST_WAITING:
            gone = next((each for each in self._waiting if each.is_silent), self._waiting[0])
            self._waiting.remove(gone)
            self._note(self._delivery(gone, "dropped: too many were waiting"))
        self._waiting.append(message)
        self._is_there.set()

    async def run(self) -> None:
        """Send what waits until cancelled, in order; one that a sink holds back holds back no other."""
        room = asyncio.Semaphore(MOST_WAITING)
        async with asyncio.TaskGroup() as group:
            while True:
                while not self._waiting:
                    self._is_there.clear()
                    await self._is_there.wait()
                await room.acquire()
                sending = group.create_task(self._send(self._waiting.popleft()))
                sending.add_done_callback(lambda _: room.release())

    async def _send(self, message: Message) -> None:
        try:
            sending = self._sink.tell(message) if isinstance(message, Alert) else self._sink.say(message)
            delivery = await sending
        except Exception as error:  # a sink's trouble is its own
            _log.exception("a sink failed", sink=self._sink.name)
            delivery = self._delivery(message, f"{type(error).__name__}")
        self._note(delivery)

    async def serve(self) -> None:
        """Let the sink do what it does beside that; begun again when it fails."""
        while True:
            try:
                await self._sink.run()
                return
            except Exception:
                _log.exception("a sink failed; it is begun again", sink=self._sink.name)
            await asyncio.sleep(_AGAIN_S)

    def recall(self, told: Sequence[Delivery], critical: Sequence[tuple[int, Alert]] = ()) -> None:
        """What this sink delivered in an earlier life, newest last.

        Args:
            told: by all sinks.
            critical: alerts that were to go out, and when they were written down (ms UTC, real time): those that this
                sink never sent go out now; the last hour's alone where it never sent anything.
        """
        mine = [each for each in told if each.sink == self._sink.name]
        self._sink.recall(mine)
        sent = {each.alert_id for each in mine if each.is_sent}
        tried = {each.alert_id for each in mine}
        since_ms = min((each.at_ms for each in mine), default=wall_ns() // 1_000_000 - _NEW_SINK_MS)
        for logged_ms, alert in critical:
            if alert.id not in sent and (logged_ms >= since_ms or alert.id in tried):
                self.put(alert)

    async def aclose(self) -> None:
        """Let go of what the sink holds."""
        try:
            await asyncio.wait_for(self._sink.aclose(), _CLOSING_S)
        except Exception:  # the face ends all the same
            _log.exception("a sink did not close", sink=self._sink.name)

    def line(self) -> SinkLine:
        """How it is doing."""
        return SinkLine(
            name=self._sink.name, sent=self._sent, failed=self._failed, last_ms=self._last_ms, why=self._why
        )

    def _note(self, delivery: Delivery) -> None:
        self._last_ms = delivery.at_ms
        if delivery.is_sent:
            self._sent, self._why = self._sent + 1, None
        else:
            self._failed, self._why = self._failed + 1, delivery.why
        self._done(delivery)

    def _delivery(self, message: Message, why: str) -> Delivery:
        phase = message.phase.value if isinstance(message, Alert) else message.kind
        return Delivery(
            sink=self._sink.name,
            alert_id=message.id,
            at_ms=wall_ns() // 1_000_000,
            is_sent=False,
            phase=phase,
            why=why,
        )
