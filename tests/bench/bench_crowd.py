"""What a lab of five venues and three coins costs a market second: traded by people, and made of chance."""

from collections.abc import Callable

from measure import cpu_ns, interleaved, ratio, tell

from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.agents.lived import live
from perpscope.lab.clock import NS_PER_S, LabClock
from perpscope.lab.crowds import CROWDED
from perpscope.lab.dialect import VENUES, dialect
from perpscope.lab.market import led
from perpscope.lab.publisher import Publisher
from perpscope.lab.rehearsal import START_NS

_SECONDS = 60


class Everybody:
    """Listens to every topic there is, and throws it away."""

    def is_wanted(self, topic: str) -> bool:
        """Always."""
        return bool(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        """Nothing is kept."""

    def count(self, kind: str) -> None:
        """Nothing is counted."""


def crowd() -> bool:
    """Tell market seconds of both labs, every topic of every venue encoded."""
    crowds = {base: Crowd(live(7, base, START_NS, 0.25)) for base in CROWDED}
    figures = interleaved({"people": _telling(crowds), "chance": _telling({})}, rounds=5)
    tell("lab of 5 venues and 3 coins, every topic encoded, CPU per market second", figures)
    print(f"      people cost {ratio(figures['people'], figures['chance']):.2f} × chance")
    print(f"      {1e9 / figures['people'].median:.0f} market seconds per second of one core")
    return True


def _telling(crowds: dict[str, Crowd]) -> Callable[[], float]:
    wires = [dialect(venue) for venue in VENUES]
    clock, reached = LabClock(START_NS, float("inf")), [START_NS]
    markets = led(wires, 7, START_NS, CROWDED, 6.0, crowds)
    publishers = [
        Publisher(market, clock, Everybody(), wire.teller) for wire, market in zip(wires, markets, strict=True)
    ]

    def pass_time() -> None:
        for _ in range(_SECONDS):
            reached[0] += NS_PER_S
            clock.advance_to(reached[0])
            for publisher in publishers:
                publisher.tell_until(reached[0])

    return lambda: cpu_ns(pass_time, _SECONDS)
