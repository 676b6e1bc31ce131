"""The arithmetic of a budget: what is owed of it, who leaves how much to whom, and how long somebody waits.

A limit is kept as the one moment at which nothing is owed any more; what is spent puts it off. Whoever has to wait
claims the next turn of his urgency, so that a dear request is not overtaken for ever by cheap ones, and nobody less
urgent goes before him. A claim lapses shortly after the moment it is for: the dead hold nobody up.
"""

import math

import msgspec

from perpscope.feeds.budget_page import Claim, Door, Slot
from perpscope.feeds.clock import SECOND_NS, wall_ns
from perpscope.model.stream import Urgency

#: Of a minute's weight, what may be spent at once; the rest is what refills in a minute.
BURST_SHARE = 0.25
#: Of the burst, what each urgency leaves untouched: a tenth is for orders alone, a third more for what happens now.
KEPT = {Urgency.ORDER: 0.0, Urgency.DATA: 0.1, Urgency.PAST: 0.1 + 1 / 3}
LANES = {urgency: number for number, urgency in enumerate(KEPT)}
#: A claim outlives the moment its holder wants to go by so much (chosen by hand: a busy machine wakes people late).
_CLAIM_SLACK_S = 0.25
JITTER_S = 0.01
#: More than this cannot be owed: such a record is of a clock that is not ours.
_MOST_OWED_S = 3600.0


class Charge(msgspec.Struct, frozen=True):
    """What a request costs of one limit."""

    slot: int
    weight: float
    rate: float  #: weight that refills in a second
    burst: float  #: weight that may be spent at once
    most: int = 0  #: calls that may arrive within any `per_s`, however late they are on the way; 0 = not looked at
    per_s: float = 0.0


def wait_s_of(charge: Charge, slot: Slot, lane: int, who: float, now: float) -> float:
    """Seconds until this charge may be spent, 0 if at once; claims the next turn where nobody else has."""
    ours = charge.burst * (1.0 - tuple(KEPT.values())[lane])
    owed = max(0.0, slot.free_at - now) * charge.rate
    wait_s = max(0.0, owed + min(charge.weight, ours) - ours) / charge.rate
    if wait_s < 1e-6:
        wait_s = 0.0
    for claim in slot.claims[: lane + 1]:
        if claim.by not in (0.0, who) and now < claim.until < now + _MOST_OWED_S:
            return max(wait_s, claim.until - _CLAIM_SLACK_S - now, JITTER_S)
    if wait_s > 0.0:
        slot.claims[lane].by, slot.claims[lane].until = who, now + wait_s + _CLAIM_SLACK_S
    return wait_s


def withdraw(slot: Slot, lane: int, who: float) -> bool:
    """Give up one's claim; False where there is none."""
    claim = slot.claims[lane]
    if claim.by != who:
        return False
    claim.by = claim.until = 0.0
    return True


def believed_door(door: Door, now: float) -> Door:
    """The door; where it is shut for longer than the venue said, its clock is not ours, and real time decides."""
    if door.closed_until - now > door.closed_for_s + 1.0:
        left_s = door.closed_wall_s - wall_ns() / SECOND_NS
        door.closed_until = now + min(max(0.0, left_s), door.closed_for_s)
    return door


def believed(slot: Slot, now: float) -> Slot:
    """The slot, or an unused one where its times cannot be of this clock."""
    is_of_now = math.isfinite(slot.granted) and slot.free_at < now + _MOST_OWED_S
    return slot if is_of_now else Slot(claims=(Claim(), Claim(), Claim()))
