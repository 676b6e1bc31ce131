"""Laws of a live order: one at the exchange for each intent, every fill told once, and an end to everything.

Keeps S2-59, B15.
"""

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.property.order_model import ID, SIZE, Leader, Luck, request

from perpscope.execution.phases import ABSENT, LATE, REFUSED, Do
from perpscope.execution.tracked import ABSENT_S
from perpscope.model.exchange import OrderState
from perpscope.model.order import OrderKind

_LUCKY = [Luck.WELL, Luck.WELL, *(one for one in Luck if one is not Luck.LIED)]


class OrderMachine(RuleBasedStateMachine):
    """One order, forty times something happens, then the faults stop."""

    leader: Leader

    @initialize(
        kind=st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP]),
        is_reducing=st.booleans(),
        lag=st.sampled_from([0.0, 0.0, 1.0, 2.9, 6.0]),
        child=st.sampled_from([ID, "made-by-the-exchange"]),
        luck=st.sampled_from(_LUCKY),
    )
    def begin(self, kind: OrderKind, lag: float, child: str, luck: Luck, *, is_reducing: bool) -> None:
        """An order is approved and sent; the exchange's books are copied so late."""
        self.leader = Leader(request(kind, is_reducing=is_reducing or kind is OrderKind.STOP), child_id=child)
        self.leader.lag = lag
        self.leader.step(luck)

    @rule(luck=st.sampled_from(_LUCKY))
    def step(self, luck: Luck) -> None:
        """Whatever is due next is done when it is due, and goes somehow."""
        self.leader.wait()
        self.leader.step(luck)

    @precondition(lambda self: self.leader.exchange.alive)
    @rule(size=st.integers(1, 10), lucks=st.lists(st.sampled_from(_LUCKY), max_size=4))
    def fill_and_step(self, size: int, lucks: list[Luck]) -> None:
        """The exchange is faster than we are."""
        self.leader.exchange.fill(Decimal(size))
        for luck in lucks:
            self.step(luck)

    @rule(lucks=st.lists(st.sampled_from(_LUCKY), min_size=3, max_size=9))
    def step_on(self, lucks: list[Luck]) -> None:
        """For a while there is no other news."""
        for luck in lucks:
            self.step(luck)

    @precondition(lambda self: self.leader.lag == 0.0)
    @rule()
    def step_lied_about(self) -> None:
        """It is done, and the exchange says that it was not."""
        self.leader.wait()
        self.leader.step(Luck.LIED)

    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0, 6.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.leader.now += seconds

    @precondition(lambda self: self.leader.exchange.alive)
    @rule(size=st.integers(1, 10))
    def fill(self, size: int) -> None:
        """Some is filled."""
        self.leader.exchange.fill(Decimal(size))

    @precondition(lambda self: self.leader.exchange.alive)
    @rule(state=st.sampled_from([OrderState.EXPIRED, OrderState.CANCELLED]))
    def end(self, state: OrderState) -> None:
        """The exchange ends it."""
        self.leader.exchange.end(state)

    @precondition(lambda self: self.leader.exchange.alive and self.leader.order.is_conditional)
    @rule()
    def trigger(self) -> None:
        """The price comes."""
        self.leader.exchange.trigger()

    @precondition(lambda self: self.leader.exchange.stream)
    @rule(number=st.integers(0, 20), is_kept=st.booleans())
    def tell(self, number: int, *, is_kept: bool) -> None:
        """The stream tells something: in any order, and perhaps again later."""
        stream = self.leader.exchange.stream
        at = number % len(stream)
        self.leader.hear(stream[at])
        if not is_kept:
            del stream[at]

    @precondition(lambda self: self.leader.unbooked)
    @rule()
    def book(self) -> None:
        """The journal has written a fill."""
        self.leader.book()

    @rule(what=st.sampled_from(["take-back", "doubt", "reconcile", "crash", "mute"]))
    def disturb(self, what: str) -> None:
        """It is taken back; somebody did not find it; all is compared; the process dies; the stream is mute."""
        leader = self.leader
        match what:
            case "take-back":
                leader.order.take_back(leader.now)
            case "doubt":
                leader.order.doubt(leader.now)
            case "reconcile":
                leader.reconcile()
            case "crash":
                leader.crash()
            case _:
                leader.exchange.stream.clear()

    @invariant()
    def one_order(self) -> None:
        """Never more than one for an intent."""
        assert len(self.leader.exchange.orders) <= 1 if hasattr(self, "leader") else True

    @invariant()
    def nothing_is_invented(self) -> None:
        """Only what was filled is told."""
        if hasattr(self, "leader"):
            assert self.leader.told <= sum((one.size for one in self.leader.exchange.trades), Decimal(0))
            assert self.leader.order.filled <= SIZE

    def teardown(self) -> None:
        """The faults stop; the order is taken back, and all comes to an end that both agree on."""
        if not hasattr(self, "leader"):
            return
        leader, exchange = self.leader, self.leader.exchange
        is_blind = leader.lag > ABSENT_S  # it may be given up, and then come to light
        for count in range(200):
            leader.reconcile(is_whole=leader.crashes > 0 or is_blind)
            while leader.unbooked:
                leader.book()
            if count == 3:
                leader.order.take_back(leader.now)
                exchange.settle()
            if leader.step(Luck.WELL) in (Do.NOTHING, Do.DONE):
                if leader.order.is_done and count > 20:
                    break
                leader.now += 0.5
        assert leader.order.is_done, leader.order.state
        assert exchange.alive is None
        assert leader.told == sum((one.size for one in exchange.trades), Decimal(0))
        assert len(leader.closes) <= 1 + leader.crashes
        assert is_blind or not exchange.orders or not {ABSENT, REFUSED, LATE} & set(leader.closes), leader.closes
        self.one_order()


def _run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        OrderMachine, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )


def test_machine_of_an_order_is_safe() -> None:
    """Whatever is lost, late or doubled: no order twice, no fill twice or never, and an end. Keeps S2-59."""
    _run(50, 30)


@pytest.mark.soak
def test_machine_of_an_order_is_safe_five_hundred_times() -> None:
    """The same as long as RELIABILITY asks: 500 histories of 40 steps. Keeps S2-59."""
    _run(500, 40)
