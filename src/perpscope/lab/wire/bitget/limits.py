"""Bitget's limits on REST: each path so often a second; all together 6,000 times a minute, or five minutes' rest."""

from perpscope.lab.allowance import Allowance, Rate

_EVERYTHING = Rate(6000, 60.0)
_RECOVERY_S = 300.0
_MOST = Rate(20, 1.0)
_RATES = {
    "/api/v3/market/liquidations": Rate(5, 1.0),
    "/api/v3/market/futures-active-buy-sell": Rate(1, 1.0),
    "/api/v3/market/futures-account-long-short": Rate(1, 1.0),
    "/api/v3/market/futures-position-long-short": Rate(1, 1.0),
    "/api/v3/market/futures-long-short": Rate(1, 1.0),
    "/api/v2/mix/market/fills-history": Rate(10, 1.0),
    "/api/v2/mix/market/query-position-lever": Rate(10, 1.0),
    "/api/v2/mix/market/taker-buy-sell": Rate(1, 1.0),
    "/api/v2/mix/market/account-long-short": Rate(1, 1.0),
    "/api/v2/mix/market/position-long-short": Rate(1, 1.0),
    "/api/v2/mix/market/long-short": Rate(1, 1.0),
    "/api/v2/spot/public/coins": Rate(3, 1.0),
}


class Gate:
    """Lets requests through."""

    def __init__(self) -> None:
        self.budget = Allowance(_EVERYTHING)
        self._by_path: dict[str, Allowance] = {}
        self._shut_until_s = 0.0

    def left(self, path: str, now_s: float) -> int | None:
        """Requests left to a known path in this second, after this one; None if this one is refused."""
        if now_s < self._shut_until_s:
            return None
        if not self.budget.take(now_s):
            self._shut_until_s = now_s + _RECOVERY_S
            return None
        own = self._by_path.setdefault(path, Allowance(_RATES.get(path, _MOST)))
        return own.limit - own.used if own.take(now_s) else None
