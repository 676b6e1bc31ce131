"""Runaway protection (RELIABILITY D23): how many orders, how large, and how fast they may be replaced.

In: each order before it is written down, what is held, and real time. Out: whether it may pass, and when. This is no
risk limit: those are in `trading.risk`, and bind every order before it comes here. These catch a program gone wrong.
What only reduces has an allowance of its own, so that entries never use up what an exit needs, and no limit of size.
"""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from perpscope.model.exchange import OrderReport
from perpscope.model.order import OrderRequest

PER_SECOND: Final = 5  #: orders, and exits apart from them; chosen by hand
REPLACE_S: Final = 1.0  #: RELIABILITY D17: an order is replaced once a second at most
_MINUTE_S: Final = 60.0
_DAY_S: Final = 86_400.0
_TWICE_S: Final = _MINUTE_S  # a second refusal within it is no accident


class Stake(msgspec.Struct, frozen=True, kw_only=True):
    """What is at stake already."""

    mark: Decimal | None = None  #: quote per base; None = not known
    held: Decimal = Decimal(0)  #: base units, signed
    others: Sequence[OrderReport] = ()  #: orders in the contract that are not ours, as they were listed last


class Verdict(msgspec.Struct, frozen=True):
    """Whether an order passes."""

    refusal: str = ""  #: which cap it meets; empty = it passes
    is_runaway: bool = False  #: for the second time within a minute: nothing more is to be opened


_PASS: Final = Verdict()


class Caps:
    """The caps of one run, and what was let through.

    Args:
        per_minute: orders.
        per_day: orders, within 24 hours; exits are not counted.
        max_notional: quote units, of one order and of what would be held with it; 0 = no cap.
    """

    def __init__(self, per_minute: int, per_day: int, max_notional: Decimal) -> None:
        self._limits = (("second", 1.0, PER_SECOND), ("minute", _MINUTE_S, per_minute), ("day", _DAY_S, per_day))
        self._max_notional = max_notional
        self._passed: dict[bool, deque[float]] = {False: deque(), True: deque()}  # by whether they only reduce
        self._refused_at: float | None = None
        self._replaced_at: float | None = None

    def review(self, request: OrderRequest, stake: Stake, open_size: Decimal, now: float) -> Verdict:
        """Judge an order; one that passes is counted.

        Args:
            request: as risk approved it.
            stake: what is held, and what it is worth.
            open_size: base units of other entries that are not filled yet.
            now: real seconds (`time.monotonic`).
        """
        refusal = self._too_many(request, now) or self._too_large(request, stake, open_size)
        if not refusal:
            self._passed[request.is_reducing].append(now)
            return _PASS
        is_again = self._refused_at is not None and now - self._refused_at < _TWICE_S
        self._refused_at = now
        return Verdict(refusal, is_again)

    def replace(self, now: float) -> float:
        """When an order may be sent that takes another's place: now, or a second after the one before it."""
        at = now if self._replaced_at is None else max(now, self._replaced_at + REPLACE_S)
        self._replaced_at = at
        return at

    def _too_many(self, request: OrderRequest, now: float) -> str:
        passed = self._passed[request.is_reducing]
        while passed and now - passed[0] >= _DAY_S:
            passed.popleft()
        for name, seconds, limit in self._limits[: 2 if request.is_reducing else 3]:
            if _within(passed, now - seconds, limit) >= limit:
                return f"cap-{name}"
        return ""

    def _too_large(self, request: OrderRequest, stake: Stake, open_size: Decimal) -> str:
        if not self._max_notional or request.is_reducing:
            return ""
        price = request.price or stake.mark
        if price is None:
            return "cap-unpriced"
        if price * request.size > self._max_notional:
            return "cap-order"
        return "cap-total" if price * (request.size + abs(stake.held) + open_size) > self._max_notional else ""


def _within(passed: deque[float], since: float, most: int) -> int:
    """How many passed after that moment; counted from the newest, no further than `most`."""
    count = 0
    for at in reversed(passed):
        if at <= since or count >= most:
            break
        count += 1
    return count
