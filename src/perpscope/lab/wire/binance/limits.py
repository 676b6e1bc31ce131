"""Binance's limits on REST: weight in a fixed minute, then a ban; and the counts that some paths have of their own."""

from perpscope.lab.allowance import Rate

WEIGHT_LIMIT_1M = 2400
#: fundingRate and fundingInfo together
FUNDING_RATE = Rate(500, 300.0)
#: everything under /futures/data
STATISTICS_RATE = Rate(1000, 300.0)

#: orders of one account
ORDERS_10S, ORDERS_1M = Rate(300, 10.0), Rate(1200, 60.0)
ORDER_LIMITS = (
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": ORDERS_10S.limit},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": ORDERS_1M.limit},
)

OK, TOO_MANY, BANNED = 200, 429, 418
_PATIENCE = 10  # requests after a 429 that are still answered 429; chosen by hand
_BAN_S = 120
_MINUTE_S = 60.0


class WeightLimit:
    """Request weight used in this real minute, and what becomes of those who exceed it."""

    def __init__(self, limit: int = WEIGHT_LIMIT_1M) -> None:
        self.limit = limit
        self.used = 0
        self._minute_ends_s = 0.0
        self._refused = 0
        self._banned_until_s = 0.0

    def spend(self, weight: int, now_s: float) -> tuple[int, int]:
        """Account for a request: the status to answer with, and seconds to wait where it is a refusal."""
        if now_s < self._banned_until_s:
            return BANNED, int(self._banned_until_s - now_s) + 1
        if now_s >= self._minute_ends_s:
            self.used, self._refused, self._minute_ends_s = 0, 0, now_s + _MINUTE_S
        self.used += weight
        if self.used <= self.limit:
            return OK, 0
        self._refused += 1
        if self._refused > _PATIENCE:
            self._banned_until_s = now_s + _BAN_S
            return BANNED, _BAN_S
        return TOO_MANY, int(self._minute_ends_s - now_s) + 1
