"""A run once more, from its own recording: the same frames, the same words about itself, the same desk.

In: the recording of one process' part of a run, with its setup beside it. Out: everything decided, in order, and its
hash, which is the run's own unless something but the recording decided.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from perpscope.app.backtest.frames import stepped
from perpscope.app.replay_cast import cast
from perpscope.app.trade.hearing import RunHearing
from perpscope.app.trade.setup import RunSetup, read, strategy_of, trader_of
from perpscope.app.trade.witness import Witness
from perpscope.engine.engine import Engine
from perpscope.engine.telling import Told
from perpscope.engine.trader import Trader
from perpscope.feeds.tape import Tape
from perpscope.model.order import Arrival, OrderRequest
from perpscope.model.run import RunKind
from perpscope.trading.desk import Desk


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to when it was run again."""

    setup: RunSetup
    told: list[Told]  #: signals, orders, fills, fundings and ends, in the order they were told
    decisions: int
    orders: int
    hash: str
    desk: Desk  #: as it stands at the end
    trader: Trader
    is_torn: bool  #: the recording breaks off


class Deaf:
    """A gateway that sends nothing: what became of the orders is in the recording."""

    def submit(self, request: OrderRequest) -> None:
        """Nothing: it was sent then."""

    def cancel(self, order: str) -> None:
        """Nothing."""


def replayed(
    recording: Path,
    hear: Callable[[Arrival, Trader], None] = lambda *_: None,
    saw: Callable[[Told], None] = lambda _: None,
) -> Replayed:
    """Run again what a process recorded.

    Args:
        recording: the process' own; its setup stands beside it.
        hear: told each event the trader is about to take, and the trader, e.g. to compare prices.
        saw: told each thing the trader tells, as it tells it.

    Raises:
        DataError: no recording, or nothing tells whose ("run-setup").
        ConfigError: the strategy or venue is not there any more.
    """
    setup = read(recording)
    tape = Tape(recording)
    feed = cast(tape, None, None, lambda _: None).feed()
    witness, told = Witness(), list[Told]()

    def tell(one: Told) -> None:
        witness.saw(one)
        told.append(one)
        saw(one)

    gateway = None if setup.kind is RunKind.PAPER else Deaf()
    trader, desk = trader_of(setup, strategy_of(setup), tell, gateway)
    hearing = RunHearing(setup.instrument)
    engine = Engine(sinks=[hearing], silent_after_s=setup.silent_after_s)
    for batch in stepped(feed.batches()):
        for event in batch:
            engine.process(event)
            for one in hearing.heard(event):
                hear(one, trader)
                trader.process(one)
    decided = {"decisions": witness.decisions, "orders": witness.orders}
    return Replayed(setup=setup, told=told, hash=witness.hash, desk=desk, trader=trader, is_torn=tape.torn, **decided)
