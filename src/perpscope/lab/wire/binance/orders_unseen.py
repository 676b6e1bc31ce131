"""Orders that exist and that questions do not find yet: the venue's books are copied, and copies lag."""

from perpscope.lab.accounts.prices import Prices


class Unseen:
    """Ids of orders, plain and conditional, that are hidden for a while.

    Args:
        prices: for the time.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._until_ms: dict[int, int] = {}

    def hide(self, order_id: int, for_ms: int) -> None:
        """Let questions not find it until so much market time has passed."""
        self._until_ms[order_id] = self._prices.now_ms + for_ms

    def is_seen(self, order_id: int) -> bool:
        """True if questions find it."""
        until_ms = self._until_ms.get(order_id)
        if until_ms is not None and until_ms <= self._prices.now_ms:
            del self._until_ms[order_id]
            return True
        return until_ms is None
