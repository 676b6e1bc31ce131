"""Between what the exchange says and what its clients get: frames lost, late, shuffled, doubled, spoilt or misdated.

In: every payload on its way, and the faults that last. Out: what is handed on, now or later. The exchange's own ledger
of what it meant to say is written before, so nothing here can change it.
"""

import asyncio
import random
from collections.abc import Callable
from typing import TypeAlias

from perpscope.lab import damage
from perpscope.lab.clock import NS_PER_MS, LabClock
from perpscope.lab.faults import Fault, FaultKind

Hand: TypeAlias = Callable[[str, bytes], None]  #: gives a payload of a topic to its subscribers

_MOST_COPIES = 3


class Interference:
    """What is done to frames while faults last.

    Args:
        clock: market time.
        hand: where frames go.
        seed: of the chance within faults.
    """

    def __init__(self, clock: LabClock, hand: Hand, seed: int = 0) -> None:
        self.hit: dict[Fault, int] = {}  #: frames each fault has changed, lost, moved or doubled
        self._clock = clock
        self._hand = hand
        self._rng = random.Random(f"{seed}/frames")  # noqa: S311 (repeatable chance)
        self._lasting: dict[Fault, None] = {}
        self._late: dict[Fault, list[tuple[str, bytes]]] = {}
        self._offsets: dict[tuple[Fault, str], int] = {}

    def begin(self, fault: Fault) -> None:
        """Let a fault of frames begin."""
        self._lasting[fault] = None
        self._late[fault] = []
        self.hit.setdefault(fault, 0)
        if fault.kind is FaultKind.REORDER:
            self._later(fault.amount, lambda: self._shuffle(fault))

    def end(self, fault: Fault) -> None:
        """End it; what it has kept back arrives at once."""
        self._lasting.pop(fault)
        self._shuffle(fault)
        del self._late[fault]

    def take(self, topic: str, payload: bytes) -> None:
        """A payload on its way: hand it on as the faults that last will have it."""
        for fault in self._lasting:
            if fault.hits_topic(topic):
                self.hit[fault] += 1
                self._suffer(fault, topic, payload)
                return
        self._hand(topic, payload)

    def _suffer(self, fault: Fault, topic: str, payload: bytes) -> None:
        now_ms = self._clock.now_ns() // NS_PER_MS
        match fault.kind:
            case FaultKind.DROP:
                if 0 < fault.amount < self.hit[fault]:
                    self.hit[fault] -= 1
                    self._hand(topic, payload)
            case FaultKind.DELAY:
                self._late[fault].append((topic, payload))
                self._later(fault.amount, lambda: self._release(fault))
            case FaultKind.REORDER:
                self._late[fault].append((topic, payload))
            case FaultKind.DUPLICATE:
                for _ in range(self._rng.randint(1, _MOST_COPIES)):
                    self._hand(topic, payload)
            case FaultKind.FLIP:
                self._hand(topic, damage.spoilt(payload, self._rng))
            case FaultKind.NOISE:
                self._hand(topic, payload)
                self._hand(topic, damage.spoilt(payload, self._rng))
            case FaultKind.SHIFT_TIMES:
                self._hand(topic, damage.shifted(payload, fault.amount, now_ms))
            case FaultKind.SECONDS:
                self._hand(topic, damage.in_seconds(payload, now_ms))
            case FaultKind.RENUMBER:
                offset = self._offsets.setdefault((fault, topic), damage.highest_update_id(payload) - 1)
                self._hand(topic, damage.renumbered(payload, offset))
            case _:
                self._hand(topic, payload)

    def _release(self, fault: Fault) -> None:
        """The oldest late frame is due."""
        if held := self._late.get(fault):
            self._hand(*held.pop(0))

    def _shuffle(self, fault: Fault) -> None:
        """A window is over: what it held goes out in any order, and the next begins while the fault lasts."""
        held = self._late.get(fault)
        if held is None:
            return
        if fault.kind is FaultKind.REORDER:
            self._rng.shuffle(held)
        for topic, payload in held:
            self._hand(topic, payload)
        held.clear()
        if fault in self._lasting:
            self._later(fault.amount, lambda: self._shuffle(fault))

    def _later(self, market_s: float, act: Callable[[], None]) -> None:
        """Act so much market time later: at once where the clock stands still at its own pace."""
        delay_s = market_s / self._clock.rate if self._clock.is_paced else 0.0
        asyncio.get_running_loop().call_later(delay_s, act)
