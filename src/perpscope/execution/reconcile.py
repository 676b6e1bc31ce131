"""What an exchange says of an account against what we know: the comparison alone, without hands.

In: what we hold and which orders stand, as we know it, and the same as the exchange lists it. Out: what does not agree,
and whose it is. Orders of others are never ours to touch: they are told. Pure; real seconds are an argument.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from perpscope.model.exchange import OrderReport, TradeReport


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What we know of ourselves."""

    position: Decimal  #: base units, signed: the sum of what was filled
    working: Mapping[str, bool]  #: orders the exchange has confirmed: id → whether it is a conditional one
    entries: Collection[str] = ()  #: of these, what may open a position
    ids: Collection[str] = ()  #: every order that was ever written down
    prefix: str = ""  #: what ids of this run begin with
    is_idle: bool = True  #: nothing is on its way, not known, or not booked


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange lists."""

    position: Decimal
    orders: Sequence[OrderReport]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What does not agree."""

    differs: Decimal  #: base units the exchange holds beyond what we know of; 0 while anything is on its way
    gone: tuple[str, ...] = ()  #: stand as far as we know, and are not listed
    astray: tuple[OrderReport, ...] = ()  #: ours by their ids, listed, and not among what stands as far as we know
    orphans: tuple[str, ...] = ()  #: our conditions without a position, or anything that would open one
    strangers: tuple[OrderReport, ...] = ()  #: not ours

    @property
    def is_agreed(self) -> bool:
        """Position and orders of ours are the same on both sides."""
        return not (self.differs or self.gone or self.astray or self.orphans)


def is_ours(order: str, known: Known) -> bool:
    """Whether an order is ours: it was written down, or its id is of this run.

    >>> is_ours("7f3a-burst-12", Known(position=Decimal(0), working={}, prefix="7f3a-burst-"))
    True
    >>> is_ours("web_8hd2", Known(position=Decimal(0), working={}, prefix="7f3a-burst-"))
    False
    """
    return bool(order) and (order in known.ids or bool(known.prefix and order.startswith(known.prefix)))


def compare(known: Known, found: Found) -> Findings:
    """Hold the two against each other. What moves is not judged: an order on its way may be listed or not."""
    listed = {one.id for one in found.orders}
    conditions = [one for one in known.working if known.working[one] and one in listed]
    is_bare = known.is_idle and not known.position and not found.position and not known.entries
    return Findings(
        differs=found.position - known.position if known.is_idle else Decimal(0),
        gone=tuple(one for one in known.working if one not in listed) if known.is_idle else (),
        astray=tuple(one for one in found.orders if is_ours(one.id, known) and one.id not in known.working)
        if known.is_idle
        else (),
        orphans=tuple(conditions) if is_bare else (),
        strangers=tuple(one for one in found.orders if not is_ours(one.id, known)),
    )


def missed(trades: Iterable[TradeReport], known: Collection[int]) -> list[TradeReport]:
    """Fills that the exchange lists and that nobody has told, each once, oldest first."""
    fresh = {one.trade_id: one for one in trades if one.trade_id not in known}
    return [fresh[number] for number in sorted(fresh)]


class Twice:
    """Lets through what was found in two comparisons running: what was just on its way is not there the second time."""

    def __init__(self) -> None:
        self._before: frozenset[str] = frozenset()

    def again(self, found: Iterable[str]) -> frozenset[str]:
        """What was found before as well."""
        now = frozenset(found)
        both, self._before = now & self._before, now
        return both


class Mismatch:
    """Whether the exchange's position is not ours: so it is when it differed twice, an interval apart.

    >>> mismatch = Mismatch(10.0)
    >>> [mismatch.judge(Decimal("0.1"), now_s) for now_s in (100.0, 104.0, 110.0)]
    [False, False, True]
    >>> mismatch.judge(Decimal(0), 120.0)
    False

    Args:
        every_s: real seconds of the interval.
    """

    def __init__(self, every_s: float) -> None:
        self.is_on = False
        self._every_s = every_s
        self._since: float | None = None

    def judge(self, differs: Decimal, now_s: float) -> bool:
        """Take the outcome of a comparison in which nothing was on its way."""
        if not differs:
            self.is_on, self._since = False, None
        elif self._since is None:
            self._since = now_s
        elif now_s - self._since >= self._every_s * _ALMOST:
            self.is_on = True
        return self.is_on


#: A comparison comes a little less than an interval after the one before it, where that took its time.
_ALMOST = 0.9
