"""One live order: what each reply, report and fill makes of it, and what is to be done next.

Histories at random stand in `tests/property/test_order_machine.py`.
"""

import math
from decimal import Decimal

import pytest

from perpscope.execution.phases import Do, Next, Phase
from perpscope.execution.tracked import DEADLINE_S, Tracked
from perpscope.model.exchange import Ending, OrderReport, OrderState, Reply, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role

NOW = 100.0
SIZE = Decimal(10)
DONE, UNKNOWN, FAILED = Reply(ending=Ending.DONE), Reply(ending=Ending.UNKNOWN), Reply(ending=Ending.FAILED)
REFUSED = Reply(ending=Ending.REFUSED, code=-2019)
LIMITED = Reply(ending=Ending.LIMITED, wait_s=7.0)
ABSENT = Reply(ending=Ending.REFUSED, code=-2013)


def order(kind: OrderKind = OrderKind.MARKET, role: Role = Role.ENTRY) -> Tracked:
    """Ten, intended now."""
    price = None if kind is OrderKind.MARKET else Decimal(50_000)
    return Tracked(
        OrderRequest(
            id="r-s-1",
            instrument=InstrumentId("BTC-USDT-PERP.BINANCE"),
            ts_recv=1,
            side=Side.BUY if role is Role.ENTRY else Side.SELL,
            size=SIZE,
            kind=kind,
            role=role,
            price=price,
            is_reducing=role is not Role.ENTRY,
        ),
        NOW,
    )


def sent(kind: OrderKind = OrderKind.MARKET, role: Role = Role.ENTRY) -> Tracked:
    """The same, on its way."""
    found = order(kind, role)
    found.sending(NOW)
    return found


def report(
    state: OrderState = OrderState.NEW,
    filled: int = 0,
    *,
    venue_id: str = "77",
    is_conditional: bool = False,
    becomes: str = "",
) -> OrderReport:
    """What the exchange says of it."""
    return OrderReport(
        id="r-s-1",
        venue_id=venue_id,
        symbol="BTCUSDT",
        is_conditional=is_conditional,
        state=state,
        side=Side.BUY,
        size=SIZE,
        filled=Decimal(filled),
        price=None,
        is_reducing=False,
        ts_event=1,
        becomes=becomes,
    )


def trade(number: int, size: int, venue_id: str = "77", own: str = "") -> TradeReport:
    """One fill of it."""
    return TradeReport(
        trade_id=number,
        venue_id=venue_id,
        id=own,
        symbol="BTCUSDT",
        side=Side.BUY,
        price=Decimal(50_000),
        size=Decimal(size),
        fee=Decimal(0),
        realised=Decimal(0),
        is_maker=False,
        ts_event=1,
    )


def booked(found: Tracked, *fills: TradeReport, is_new: bool = True) -> None:
    """Heard, and written down."""
    for one in fills:
        if found.traded(one):
            found.booked(one, is_new=is_new)


# sending -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "reply", "is_duplicate", "was_sent", "phase", "todo"),
    [
        pytest.param(Role.ENTRY, DONE, False, True, Phase.UNKNOWN, Next(Do.ASK, NOW + 0.2), id="done-untold"),
        pytest.param(Role.ENTRY, UNKNOWN, False, True, Phase.UNKNOWN, Next(Do.ASK, NOW + 0.2), id="unknown"),
        pytest.param(Role.LEAVE, UNKNOWN, False, True, Phase.UNKNOWN, Next(Do.ASK, NOW + 0.2), id="unknown-exit"),
        pytest.param(Role.ENTRY, REFUSED, False, True, Phase.OVER, Next(Do.CLOSE), id="refused"),
        pytest.param(Role.ENTRY, REFUSED, True, True, Phase.UNKNOWN, Next(Do.ASK, NOW), id="duplicate-is-success"),
        pytest.param(Role.ENTRY, LIMITED, False, False, Phase.INTENDED, Next(Do.PLACE, NOW + 7.0), id="limited"),
        pytest.param(Role.ENTRY, FAILED, False, True, Phase.UNKNOWN, Next(Do.ASK, NOW + 0.2), id="failed"),
        pytest.param(Role.ENTRY, FAILED, False, False, Phase.OVER, Next(Do.CLOSE), id="entry-never-left"),
        pytest.param(Role.LEAVE, FAILED, False, False, Phase.INTENDED, Next(Do.PLACE, NOW + 0.2), id="exit-never-left"),
    ],
)
def test_reply_to_place(role: Role, reply: Reply, is_duplicate: bool, was_sent: bool, phase: Phase, todo: Next) -> None:
    """Each ending has one meaning: what may have been done is asked for, and never sent again. Keeps S2-59."""
    found = sent(role=role)
    found.placed(reply, NOW, is_duplicate=is_duplicate, was_sent=was_sent)
    assert (found.phase, found.next()) == (phase, todo)
    assert (found.refusal is reply) is (phase is Phase.OVER and was_sent)


def test_news_before_the_reply_counts() -> None:
    """The stream has told that it stands: a reply that was lost, or a refusal, changes nothing."""
    for reply in (UNKNOWN, REFUSED, FAILED):
        found = sent(OrderKind.LIMIT)
        assert found.next() == Next(Do.NOTHING, math.inf)
        found.reported(report(), NOW)
        found.placed(reply, NOW)
        assert (found.phase, found.venue_id) == (Phase.WORKING, "77")


def test_what_cannot_be_sent_in_time_is_not_sent() -> None:
    """After ten seconds a decision is old."""
    found = order()
    found.pass_time(NOW + DEADLINE_S - 0.1)
    assert found.next() == Next(Do.PLACE, NOW)
    found.pass_time(NOW + DEADLINE_S)
    assert (found.phase, found.why, found.next()) == (Phase.OVER, "late", Next(Do.CLOSE))
    tried = sent(role=Role.LEAVE)
    tried.placed(FAILED, NOW, was_sent=False)
    tried.pass_time(NOW + DEADLINE_S)
    assert tried.why == "refused"


def test_an_exit_is_sent_again_three_times() -> None:
    """After 200, 400 and 800 ms, each time after asking whether it is there; then it is refused."""
    found, now, waits = order(role=Role.LEAVE), NOW, []
    while found.next().do is not Do.CLOSE:
        assert found.next().do is Do.PLACE
        found.sending(now)
        found.placed(FAILED, now)
        assert found.next().do is Do.ASK
        waits.append(round(found.next().at - now, 3))
        now = found.next().at
        found.asked(ABSENT, now, is_absent=True)
    assert waits == [0.2, 0.4, 0.8, 0.8]
    assert found.why == "refused"


def test_an_entry_that_failed_is_refused_once_that_is_sure() -> None:
    """It is not sent again; and it is closed only when nobody knows it, for it may have been done all the same."""
    found, now = sent(), NOW
    found.placed(FAILED, NOW)
    while found.next().do is Do.ASK:
        now = found.next().at
        found.asked(ABSENT, now, is_absent=True)
    assert found.next().do is Do.LOOK
    assert now - NOW >= 3.0
    found.looked(False, now)
    assert (found.phase, found.why) == (Phase.OVER, "refused")


# not knowing ---------------------------------------------------------------------------------------------------------


def test_only_the_exchanges_own_word_counts_as_absence() -> None:
    """A network that is down says nothing (hummingbot#8457): the order stays, and is asked for, for ever."""
    found, now = sent(), NOW
    found.placed(UNKNOWN, NOW)
    for _ in range(100):
        now = found.next().at
        assert found.next().do is Do.ASK
        found.asked(UNKNOWN, now)
    assert found.phase is Phase.UNKNOWN
    assert now - NOW > 400.0  # every five seconds at last


@pytest.mark.parametrize(
    ("found_there", "looks", "phase"),
    [
        pytest.param(False, 1, Phase.OVER, id="nobody-knows-it"),
        pytest.param(None, 5, Phase.UNKNOWN, id="no-answer"),
        pytest.param(True, 2, Phase.UNKNOWN, id="a-fill-nobody-explains"),
        pytest.param(True, 3, Phase.OVER, id="which-is-somebody-elses"),
    ],
)
def test_absence_takes_three_answers_in_three_seconds_and_a_look(
    found_there: bool | None, looks: int, phase: Phase
) -> None:
    """RELIABILITY D2, D3. Keeps S2-59."""
    found, now = sent(), NOW
    found.placed(UNKNOWN, NOW)
    looked = 0
    while looked < looks:
        now = max(now, found.next().at)
        if found.next().do is Do.ASK:
            found.asked(ABSENT, now, is_absent=True)
        else:
            assert found.next().do is Do.LOOK
            found.looked(found_there, now)
            looked += 1
    assert found.phase is phase
    found.looked(False, now)  # once more, late
    found.asked(ABSENT, now, is_absent=True)
    assert found.phase in (phase, Phase.OVER)


def test_an_order_that_stood_is_asked_for_when_it_is_not_listed() -> None:
    """Doubted, or a question about it finds nothing: it is not known until the exchange says more."""
    found = sent(OrderKind.LIMIT)
    found.placed(Reply(ending=Ending.DONE, report=report()), NOW)
    assert found.next() == Next(Do.NOTHING, math.inf)
    moving = [found.is_moving]
    found.doubt(NOW)
    assert found.next() == Next(Do.ASK, NOW)
    assert [*moving, found.is_moving] == [False, True]
    found.asked(Reply(ending=Ending.DONE, report=report()), NOW)
    phases = [found.phase]
    found.asked(ABSENT, NOW, is_absent=True)
    assert [*phases, found.phase] == [Phase.WORKING, Phase.UNKNOWN]


# fills ---------------------------------------------------------------------------------------------------------------


def test_an_end_is_told_after_its_last_fill() -> None:
    """Cancelled with four of ten filled: fills that were not told are fetched first, and each counts once."""
    found = sent()
    found.placed(Reply(ending=Ending.DONE, report=report(OrderState.CANCELLED, 4)), NOW)
    assert found.next() == Next(Do.FETCH, NOW + 0.2)
    assert found.traded(trade(1, 3))
    assert found.is_moving
    found.fetched(NOW + 0.2)
    assert found.next() == Next(Do.NOTHING, math.inf)
    found.booked(trade(1, 3), is_new=True)
    assert found.next() == Next(Do.FETCH, NOW + 0.4)
    assert not found.traded(trade(1, 3))
    booked(found, trade(2, 1))
    assert (found.next(), found.filled, found.why) == (Next(Do.CLOSE), Decimal(4), "cancelled")
    found.closed()
    assert found.is_done
    assert found.next() == Next(Do.DONE)


def test_fills_that_never_come_are_not_waited_for_for_ever() -> None:
    """After twenty questions the end is told; that positions differ is found by comparing them."""
    found = sent()
    found.placed(Reply(ending=Ending.DONE, report=report(OrderState.FILLED, 10)), NOW)
    count = 0
    while found.next().do is Do.FETCH:
        found.fetched(found.next().at)
        count += 1
    assert (count, found.next().do) == (20, Do.CLOSE)


def test_fills_somebody_else_has_told_are_not_waited_for() -> None:
    """They stand in the journal under nobody's name: the order is complete with them; an adopted one counted them."""
    found = sent()
    found.placed(Reply(ending=Ending.DONE, report=report(OrderState.FILLED, 10)), NOW)
    booked(found, trade(1, 10), is_new=False)
    assert (found.next().do, found.filled) == (Do.CLOSE, Decimal(0))
    taken_up = Tracked.adopted(found.request, NOW, filled=Decimal(4), venue_id="77")
    taken_up.asked(Reply(ending=Ending.DONE, report=report(OrderState.FILLED, 10)), NOW)
    booked(taken_up, trade(1, 4), is_new=False)
    assert taken_up.next().do is Do.FETCH


def test_a_market_order_that_is_not_over_is_asked_for() -> None:
    """It should be, in no time: perhaps nobody tells."""
    found = sent()
    found.placed(Reply(ending=Ending.DONE, report=report()), NOW)
    assert found.next().do is Do.ASK
    found.reported(report(OrderState.PARTLY, 4), NOW)
    assert found.next() == Next(Do.FETCH, NOW + 0.2)
    found.reported(report(OrderState.FILLED, 10), NOW)
    found.reported(report(OrderState.PARTLY, 4), NOW)  # late
    assert (found.phase, found.why) == (Phase.OVER, "")


# conditions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("child", ["r-s-1", ""])
def test_a_condition_is_filled_as_what_it_became(child: str) -> None:
    """TRIGGERED names an order of the exchange's: its fills and its end are the condition's. Keeps S2-61."""
    found = sent(OrderKind.STOP, Role.PROTECT)
    found.placed(Reply(ending=Ending.DONE, report=report(is_conditional=True)), NOW)
    assert not found.is_of(trade(1, 4))  # of a plain order that happens to have the same number
    found.take_back(NOW)
    found.reported(report(OrderState.TRIGGERED, is_conditional=True, becomes="900"), NOW)
    assert (found.state, found.next().do) == ("triggered", Do.ASK)  # what was met cannot be taken back
    assert found.is_of(trade(1, 4, "900", child))
    booked(found, trade(1, 4, "900", child))
    found.reported(report(OrderState.EXPIRED, 4, venue_id="900"), NOW)
    assert (found.next(), found.why) == (Next(Do.CLOSE), "expired")
    found.reported(report(OrderState.FILLED, 4, is_conditional=True, becomes="900"), NOW)
    assert found.why == "expired"
    found.reported(report(venue_id="901"), NOW)
    assert found.others == {"901"}


def test_a_condition_that_closed_less_than_it_might_have_is_finished() -> None:
    """It closes whatever is held: an end all the same, and no fill of it is missing."""
    found = sent(OrderKind.STOP, Role.PROTECT)
    found.reported(report(OrderState.FILLED, 4, is_conditional=True, becomes="900"), NOW)
    booked(found, trade(1, 4, "900"))
    assert (found.next(), found.why) == (Next(Do.CLOSE), "finished")


def test_reports_of_another_kind_are_not_its() -> None:
    """A plain order has no condition of its name."""
    found = sent()
    found.reported(report(is_conditional=True), NOW)
    assert found.phase is Phase.SENT


# taking back ---------------------------------------------------------------------------------------------------------


def test_what_was_not_sent_is_taken_back_at_once() -> None:
    """It is closed without a call."""
    found = order()
    found.hold(NOW + 5.0)
    assert found.next() == Next(Do.PLACE, NOW + 5.0)
    found.take_back(NOW)
    assert (found.phase, found.why) == (Phase.OVER, "cancelled")


def test_cancels_that_do_not_help_become_rare() -> None:
    """RELIABILITY D17: 175 in 14 minutes were too many; here it is asked each time, and waited longer."""
    found, now = sent(OrderKind.LIMIT), NOW
    found.placed(Reply(ending=Ending.DONE, report=report()), NOW)
    found.take_back(now)
    assert (found.state, found.is_moving) == ("cancelling", True)
    cancels = 0
    while now < NOW + 14 * 60:
        todo = found.next()
        now = max(now, todo.at)
        if todo.do is Do.CANCEL:
            found.cancelled(FAILED, now)
            cancels += 1
        else:
            assert todo.do is Do.ASK
            found.asked(Reply(ending=Ending.DONE, report=report()), now)
    assert cancels < 40


def test_a_cancel_waits_where_too_much_was_asked() -> None:
    """Nothing is asked in its place."""
    found = sent(OrderKind.LIMIT)
    found.placed(Reply(ending=Ending.DONE, report=report()), NOW)
    found.take_back(NOW)
    found.cancelled(LIMITED, NOW)
    assert found.next() == Next(Do.CANCEL, NOW + 7.0)
    found.cancelled(Reply(ending=Ending.DONE, report=report(OrderState.CANCELLED)), NOW)
    assert (found.phase, found.why) == (Phase.OVER, "cancelled")


def test_what_is_not_wanted_is_not_sent_again() -> None:
    """An exit that failed, and was taken back: it is asked for, and not repeated."""
    found = sent(role=Role.LEAVE)
    found.placed(FAILED, NOW)
    found.take_back(NOW)
    found.asked(ABSENT, NOW + 0.2, is_absent=True)
    assert found.next().do is Do.ASK


# the dead ------------------------------------------------------------------------------------------------------------


def test_an_order_that_was_given_up_and_lives_is_taken_back() -> None:
    """Its end was told; if it was not told yet, it simply lives."""
    for was_told in (True, False):
        found = sent(OrderKind.LIMIT)
        found.placed(REFUSED, NOW)
        if was_told:
            found.closed()
        found.reported(report(), NOW)
        assert (found.phase, found.is_wanted_back) == (Phase.WORKING, was_told)


def test_a_second_order_of_the_same_id_is_seen() -> None:
    """It never should be; it is counted."""
    found = sent(OrderKind.LIMIT)
    found.reported(report(), NOW)
    found.reported(report(OrderState.FILLED, 10, venue_id="78"), NOW)
    assert (found.phase, found.others) == (Phase.WORKING, {"78"})
