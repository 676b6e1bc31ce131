"""Makes a fault script happen to one exchange, and enters in its ledger what it did.

In: a script and the exchange's clock. Out: calls of the fault hooks of its sockets and its REST side, each begun and
ended at its market time; and an `Injected` in the ledger for each fault that is over.
"""

import asyncio
import math
from collections.abc import Callable

from perpscope.lab.clock import NS_PER_S
from perpscope.lab.damage import oversize
from perpscope.lab.dialect import Answer, Call, RestSide
from perpscope.lab.faults import FRAMES, REST, Fault, FaultKind, FaultScript
from perpscope.lab.interference import Interference
from perpscope.lab.ledger import Injected
from perpscope.lab.rest import LabRest
from perpscope.lab.server import LabServer
from perpscope.lab.session import Session

_LONGEST_NAP_S = 0.2  # real seconds: a clock that is held may be let go at any time
_BANNED, _TOO_MANY = 418, 429
_BAN_S = 2  # what a client is told to wait for, real seconds
_PAGE = b"<!DOCTYPE html><html><head><title>Attention Required!</title></head><body>Please wait.</body></html>"
_SAID = {
    403: b"<html><body><h1>403 Forbidden</h1></body></html>",
    451: b'{"code":0,"msg":"Service unavailable from a restricted location"}',
}


class _Request:
    """Spoils the answers a fault is about."""

    def __init__(self, fault: Fault) -> None:
        self.hit = 0
        self._fault = fault

    async def answer(self, side: RestSide, call: Call, before: Answer | None) -> Answer | None:
        fault = self._fault
        if not fault.hits_request(call.path):
            return None
        self.hit += 1
        match fault.kind:
            case FaultKind.HTML:
                return Answer(_PAGE)
            case FaultKind.EMPTY:
                return Answer(b"")
            case FaultKind.HANG:
                await asyncio.sleep(fault.amount)
                return None
            case FaultKind.STALE:
                return before
        status = int(fault.amount)
        if status == _TOO_MANY:
            return side.throttled(_BAN_S)
        headers = {"Retry-After": str(_BAN_S)} if status == _BANNED else {}
        return Answer(_SAID.get(status, b"upstream error"), status, headers)


class Nemesis:
    """One exchange's misfortunes.

    Args:
        script: what happens, counted from now; faults of other venues are left out.
        server: its sockets.
        rest: its REST side.
    """

    def __init__(self, script: FaultScript, server: LabServer, rest: LabRest) -> None:
        self.script = script.of_venue(server.venue)
        self.is_over = asyncio.Event()  #: set when every fault is over
        self._server = server
        self._rest = rest
        self._ts_start = server.clock.now_ns()
        self._between = Interference(server.clock, server.hand, script.seed)
        self._requests: dict[Fault, _Request] = {}
        self._begun: dict[Fault, tuple[int, int]] = {}  # market time, and what it hit at once
        if any(fault.kind in FRAMES for fault in self.script.faults):
            server.between(self._between.take)

    async def run(self) -> None:
        """Begin and end each fault at its time, until all are over."""
        steps: list[tuple[float, int, Fault, Callable[[Fault], None]]] = []
        for number, fault in enumerate(self.script.faults):
            steps.append((fault.at_s, 2 * number + 1, fault, self._begin))
            steps.append((fault.at_s + fault.for_s, 2 * number + (2 if fault.for_s == 0 else 0), fault, self._end))
        try:
            for at_s, _, fault, act in sorted(steps, key=lambda step: step[:2]):
                await self._until(at_s)
                act(fault)
        finally:
            for fault in tuple(self._begun):
                self._end(fault)
            self._server.between(None)
            self.is_over.set()

    async def _until(self, at_s: float) -> None:
        clock = self._server.clock
        ts = self._ts_start + int(at_s * NS_PER_S)
        while clock.now_ns() < ts:
            nap_s = clock.seconds_until(ts) if clock.is_paced and clock.is_running else _LONGEST_NAP_S
            await asyncio.sleep(min(nap_s, _LONGEST_NAP_S))

    def _begin(self, fault: Fault) -> None:
        now_ns = self._server.clock.now_ns()
        if fault.kind in FRAMES:
            self._between.begin(fault)
            hit = 0
        elif fault.kind in REST:
            request = self._requests[fault] = _Request(fault)
            self._rest.disturb(request)
            hit = 0
        else:
            hit = self._strike(fault)
        self._begun[fault] = (now_ns, hit)

    def _end(self, fault: Fault) -> None:
        began_ns, hit = self._begun.pop(fault)
        if fault.kind in FRAMES:
            self._between.end(fault)
            hit = self._between.hit[fault]
        elif fault.kind in REST:
            request = self._requests.pop(fault)
            self._rest.calm(request)
            hit = request.hit
        else:
            self._relent(fault)
        now_ns = self._server.clock.now_ns()
        ledger = self._server.ledger
        ledger.injected.append(Injected(began_ns, now_ns, fault.kind.value, fault.target, hit, fault.amount))

    # sockets -------------------------------------------------------------------------------------------------------

    def _strike(self, fault: Fault) -> int:
        """What happens to connections and topics when a fault begins; how many it hit."""
        if fault.kind in (FaultKind.OVERSIZE, FaultKind.SNAPSHOT_AGAIN):
            return self._send_once(fault)
        if fault.kind is FaultKind.MUTE and fault.is_of_topics:
            topics = self._topics(fault)
            for topic in topics:
                self._server.mute_topic(topic)
            return len(topics)
        meant = self._sessions(fault)
        self._shut(fault)
        for session in meant:
            self._hurt(fault.kind, session)
        return len(meant)

    def _hurt(self, kind: FaultKind, session: Session) -> None:
        match kind:
            case FaultKind.MUTE:
                self._server.mute(session.path)
            case FaultKind.STALL:
                session.stall()
            case FaultKind.CLOSE:
                session.expire()
            case FaultKind.CUT_MID_FRAME:
                session.cut(oversize(300), kind.value)
            case _:
                session.abort(kind.value)

    def _shut(self, fault: Fault) -> None:
        """What waits for those who come back."""
        server = self._server
        match fault.kind:
            case FaultKind.MISROUTE:
                server.misroute(fault.hits_path)
            case FaultKind.IGNORE:
                server.ignore(fault.hits_path)
            case FaultKind.REFUSE:
                server.refuse(math.inf)
            case FaultKind.REFUSE_TOPIC:
                for topic in self._topics(fault):
                    server.refuse_topic(topic)
            case _:
                pass

    def _relent(self, fault: Fault) -> None:
        """What of a fault does not end by itself."""
        server = self._server
        match fault.kind:
            case FaultKind.MUTE:
                for topic in filter(fault.hits_topic, server.muted_topics) if fault.is_of_topics else ():
                    server.unmute_topic(topic)
                for path in () if fault.is_of_topics else filter(fault.hits_path, server.muted_paths):
                    server.unmute(path)
            case FaultKind.MISROUTE:
                server.misroute(None)
            case FaultKind.IGNORE:
                server.ignore(None)
            case FaultKind.REFUSE:
                server.refuse(0)
            case FaultKind.REFUSE_TOPIC:
                for topic in filter(fault.hits_topic, server.refused_topics):
                    server.accept_topic(topic)
            case _:
                pass

    def _send_once(self, fault: Fault) -> int:
        topics = self._topics(fault)
        if fault.kind is FaultKind.OVERSIZE:
            topics = topics[:1]
            for topic in topics:
                self._server.send_raw(topic, oversize(int(fault.amount)))
            return len(topics)
        sent = 0
        for topic in topics:
            for frame in self._server.opening(topic):
                self._server.hand(topic, frame)
                sent += 1
        return sent

    def _sessions(self, fault: Fault) -> list[Session]:
        """Connections a fault is about: all of them where it is about topics."""
        sessions = self._server.sessions
        return sessions if fault.is_of_topics else [one for one in sessions if fault.hits_path(one.path)]

    def _topics(self, fault: Fault) -> list[str]:
        """Topics a fault is about, of those subscribed now, in order."""
        topics = dict.fromkeys(topic for session in self._server.sessions for topic in session.topics)
        return sorted(filter(fault.hits_topic, topics))
