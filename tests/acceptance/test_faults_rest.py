"""What goes wrong with REST while a collector runs: nothing waits for ever, nothing is taken for what it is not.

RELIABILITY C8-C10. The governor's own tests have the limits (C1, C2); here every venue meets each of the others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.app import venues
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.lab.run import serve_market

from .checking import judge, judged
from .suffering import START, Watched, settings, settled

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
RATE = 10.0
#: Real seconds in which five collectors in one process have to stop, whoever still owes them an answer.
STOP_S = 10.0


#: What every question is answered with at the start, and words of which one is in what is said of it.
REFUSALS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "451": (Fault(FaultKind.STATUS, 0.0, 20.0, amount=451), ("not available where you are",)),
    "403": (Fault(FaultKind.STATUS, 0.0, 20.0, amount=403), ("forbidden", "403")),
    "500": (Fault(FaultKind.STATUS, 0.0, 20.0, amount=500), ("500",)),
    "html": (Fault(FaultKind.HTML, 0.0, 20.0), ("html", "DOCTYPE", "cannot read", "malformed")),
    "empty": (Fault(FaultKind.EMPTY, 0.0, 20.0), ("cannot read", "truncated", "nothing", "empty", "malformed")),
}


@pytest.mark.parametrize(
    "kind", [*list(REFUSALS)[:2], *(pytest.param(kind, marks=pytest.mark.soak) for kind in list(REFUSALS)[2:])]
)
async def test_a_wrong_answer_at_the_start_is_named_and_asked_again(
    kind: str, tmp_path: Path, eventually: Wait
) -> None:
    """Refused, HTML, empty, 5xx, on each venue: said with its name, the process lives, and joins when it is over.

    Keeps S0-51.
    """
    said = await asyncio.gather(*(_turned_away(name, kind, tmp_path, eventually) for name in venues.names()))
    print("", *(line[:150] for line in said), sep="\n")


async def _turned_away(name: str, kind: str, folder: Path, eventually: Wait) -> str:
    """What is said of a venue that answers wrongly; returns when it has been joined after all."""
    fault, words = REFUSALS[kind]
    said: list[str] = []

    def named() -> list[str]:
        return [line for line in said if name in line.lower() and any(word in line for word in words)]

    async with await serve_market(3, RATE, venue=name, symbols=("BTC", "ETH"), ts_start=START, is_held=True) as lab:
        collector = Watched(settings(lab), database=folder / f"{name}.db", announce=said.append)
        everything = Fault(fault.kind, 0.0, 20.0, target="rest:/[!l]*", amount=fault.amount)  # but the lab's clock
        lab.suffer(FaultScript.of([everything]))
        running = asyncio.create_task(collector.run())
        try:
            await eventually(lambda: bool(named()))
            lab.start()  # from here on it is over some time: however late the first question came
            await eventually(lambda: lab.server.subscribed > 0)
        finally:
            collector.stop()
            outcome = await running
    assert outcome.unreachable == ()
    return named()[0]


async def test_questions_that_hang_do_not_stop_what_streams(tmp_path: Path) -> None:
    """No question is answered for a while, and not one event of the streams is lost; stopping waits for none. C8."""
    await asyncio.gather(*(_kept_waiting(name, tmp_path) for name in venues.names()))


async def _kept_waiting(name: str, folder: Path) -> None:
    database = folder / f"{name}.db"
    async with await serve_market(3, RATE, venue=name, symbols=("BTC", "ETH"), ts_start=START, is_held=True) as lab:
        lab.ledger.keep_truth = judged(name)
        lab.start()
        collector = Watched(settings(lab), database=database)
        running = asyncio.create_task(collector.run())
        try:
            await settled(lab)
            fault = Fault(FaultKind.HANG, 0.0, 30.0, target="rest:/[!l]*", amount=30.0)
            nemesis = lab.suffer(FaultScript.of([fault]))
            await nemesis.is_over.wait()
        finally:
            began = time.monotonic()
            collector.stop()
            await running
        stopped_s = time.monotonic() - began
        verdict = judge(name, lab.ledger, database, collector.trades)
    print(f"\n{verdict.table()}\n{name}: stopped after {stopped_s:.1f} s")
    assert verdict.is_clean, verdict
    assert verdict.lost == 0
    assert stopped_s < STOP_S
