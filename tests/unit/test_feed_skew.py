"""How far two clocks are apart, and what a machine with a wrong one does with a venue's frames."""

from perpscope.feeds.clock import MarketClock
from perpscope.feeds.skew import Skew, measure
from perpscope.model.stream import HttpRequest
from perpscope.ports import Timed
from perpscope.venues.binance import VENUE

_SECOND_NS = 10**9


class Telling:
    """A venue whose clock is so far ahead of ours."""

    def __init__(self, clock: MarketClock, lead_ns: int) -> None:
        self._clock = clock
        self._lead_ns = lead_ns

    async def get(self, request: HttpRequest) -> bytes:
        """Its time, in the venue's words."""
        assert request.path == "/fapi/v1/time"
        return b'{"serverTime":%d}' % ((self._clock.now_ns() + self._lead_ns) // 1_000_000)


async def test_a_clock_an_hour_behind_is_measured() -> None:
    """The difference comes out within what the call took, and beyond it there is no doubt."""
    clock = MarketClock()
    assert isinstance(VENUE, Timed)
    found = await measure(VENUE, Telling(clock, 3600 * _SECOND_NS), clock)
    assert abs(found.lead_ns - 3600 * _SECOND_NS) <= found.uncertain_ns + 1_000_000
    assert found.surely_ns > 3599 * _SECOND_NS


def test_a_slow_call_excuses_a_difference() -> None:
    """Half a second apart after a call of two seconds says nothing; words say which clock is behind."""
    assert Skew(_SECOND_NS // 2, _SECOND_NS).surely_ns == 0
    assert str(Skew(1_300_000_000, 2_000_000)) == "1,300 ± 2 ms behind"
    assert str(Skew(-90 * _SECOND_NS, 0)) == "90,000 ± 0 ms ahead of"
