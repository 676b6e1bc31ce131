"""A lab's clock, followed while it runs, and what is said of it."""

import asyncio
from collections.abc import Callable

import pytest

from perpscope.app import market_time
from perpscope.app.market_time import MarketTime
from perpscope.errors import VenueUnreachable
from perpscope.feeds.clock import SECOND_NS, Anchor, MarketClock, wall_ns

NOON = 1_790_000_000 * SECOND_NS


def followed(*rates: float, asked: float | None = 60.0) -> tuple[MarketClock, list[str]]:
    """A clock that has followed a lab at these rates, and what was said."""
    clock, said = MarketClock(), list[str]()
    following = MarketTime("http://nowhere", clock, said.append)
    for rate in rates:
        following.follow(Anchor(NOON, wall_ns(), rate, asked))
    return clock, said


@pytest.mark.parametrize(
    ("rates", "asked", "words"),
    [
        ((60.0, 60.0), 60.0, []),
        ((60.0, 41.0, 33.3), 60.0, ["60× asked, 41× held"]),
        ((60.0, 41.0, 60.0, 30.0, 60.0), 60.0, ["60× asked, 41× held", "keeps up again: 60×"]),
        ((60.0,), None, []),
    ],
    ids=["as-asked", "slower", "slower-and-back", "untold"],
)
def test_slower_time_is_said_once(rates: tuple[float, ...], asked: float | None, words: list[str]) -> None:
    """With both rates; and once that it is over. Every anchor is followed."""
    clock, said = followed(*rates, asked=asked)
    assert clock.rate == rates[-1]
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))


async def test_a_lab_that_does_not_answer_leaves_the_clock_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hiccup of the lab is not the end of time: it is asked again."""
    answers: list[Callable[[], Anchor]] = []

    async def asked(url: str) -> Anchor:
        answers.append(lambda: Anchor(NOON, wall_ns(), 5.0, 60.0))
        if len(answers) == 1:
            raise VenueUnreachable(f"no market clock at {url}", venue="lab")
        return answers[-1]()

    monkeypatch.setattr(market_time, "market_clock", asked)
    monkeypatch.setattr(market_time, "_EVERY_S", 0.001)
    clock, said = MarketClock(), list[str]()
    running = asyncio.create_task(MarketTime("http://lab", clock, said.append).run())
    async with asyncio.timeout(30.0):
        while not said:
            await asyncio.sleep(0.001)
    running.cancel()
    assert clock.rate == 5.0
    assert said == ["the machine does not keep up: 60× asked, 5× held"]
