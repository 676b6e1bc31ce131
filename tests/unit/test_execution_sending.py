"""What a call to an exchange comes to when there is no answer, and where else an order is looked for."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from tests.acceptance.trader import BTC
from tests.unit.test_execution_tracked import order

from perpscope.errors import FrameError, RateLimited, StoreError, VenueError, VenueUnreachable
from perpscope.execution.resolving import Resolving
from perpscope.execution.sending import Sending
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import Ending, TradeReport
from perpscope.model.stream import HttpRequest
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.broker import BROKER

_MISTIMED = HttpAnswer(400, {}, b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}')
_ABSENT = HttpAnswer(400, {}, b'{"code":-2013,"msg":"Order does not exist."}')
_TOO_MANY = HttpAnswer(429, {"retry-after": "7"}, b'{"code":-1003,"msg":"Too many requests."}')


class Answers:
    """A caller that has its answers ready; an error among them is raised."""

    def __init__(self, *answers: HttpAnswer | VenueError | type[TimeoutError]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def __call__(
        self,
        request: HttpRequest,
        *,
        on_sent: Callable[[], None] = lambda: None,
        may_go: Callable[[], bool] = lambda: True,
    ) -> HttpAnswer:
        """The next one."""
        assert may_go()
        self.asked.append(request.path)
        on_sent()
        await asyncio.sleep(0)
        answer = self._answers.pop(0)
        if isinstance(answer, HttpAnswer):
            return answer
        raise answer


def told(answers: Answers, do: Callable[[Sending, Tracked], object], now: float = 50.0) -> Sending:
    """Somebody who makes a call, at 50 s."""
    sending = Sending(BROKER, BTC, answers, lambda: now)
    asyncio.run(do(sending, order()))  # type: ignore[arg-type]  # a coroutine
    return sending


@pytest.mark.parametrize(
    ("failure", "ending", "was_sent", "quiet_until"),
    [
        pytest.param(VenueUnreachable("no", venue="x"), Ending.UNKNOWN, True, 50.0, id="no-answer"),
        pytest.param(VenueUnreachable("no", venue="x", maybe_sent=False), Ending.FAILED, False, 50.0, id="never-left"),
        pytest.param(FrameError("odd", venue="x"), Ending.UNKNOWN, True, 50.0, id="odd"),
        pytest.param(TimeoutError, Ending.UNKNOWN, True, 50.0, id="deadline"),
        pytest.param(
            RateLimited("slow", venue="x", retry_after_s=9.0), Ending.LIMITED, False, 59.0, id="held-back-by-us"
        ),
        pytest.param(_TOO_MANY, Ending.LIMITED, True, 57.0, id="held-back-by-them"),
    ],
)
def test_a_call_without_an_answer_says_what_is_known(
    failure: HttpAnswer | VenueError, ending: Ending, was_sent: bool, quiet_until: float
) -> None:
    """Only what surely never left counts as not done. Keeps S2-59."""

    async def placed(sending: Sending, one: Tracked) -> None:
        sent = await sending.place(one)
        assert (sent.reply.ending, sent.was_sent) == (ending, was_sent)

    assert told(Answers(failure), placed).quiet_until == quiet_until


def test_a_call_with_the_wrong_time_is_made_once_more() -> None:
    """RELIABILITY C3: it was surely not done, and the clock has been measured since; not a third time."""

    async def asked(sending: Sending, one: Tracked) -> None:
        sent = await sending.ask(one)
        assert sent.is_absent

    async def failed(sending: Sending, one: Tracked) -> None:
        sent = await sending.cancel(one)
        assert sent.reply.ending is Ending.FAILED

    right, wrong = Answers(_MISTIMED, _ABSENT), Answers(_MISTIMED, _MISTIMED)
    told(right, asked)
    told(wrong, failed)
    assert len(right.asked) == len(wrong.asked) == 2


def test_an_order_is_not_sent_again_by_whoever_lost_the_account() -> None:
    """RELIABILITY D22: its time was too old, since the process stood still: whoever has the account now trades it."""

    async def lost() -> None:
        raise StoreError("trader-fenced", "another has the account")

    async def placed(sending: Sending, one: Tracked) -> None:
        with pytest.raises(StoreError):
            await sending.place(one, again=lost)

    answers = Answers(_MISTIMED, _ABSENT)
    told(answers, placed)
    assert len(answers.asked) == 1


_NONE = HttpAnswer(200, {}, b"[]")
_BROKEN = HttpAnswer(502, {}, b"<html>")
_TRADE = (
    b'{"symbol":"BTCUSDT","id":%d,"orderId":5,"side":"%s","price":"50000","qty":"1","realizedPnl":"0",'
    b'"commission":"0","commissionAsset":"USDT","maker":false,"time":1795219200000}'
)


def _trades(*fills: tuple[int, bytes]) -> HttpAnswer:
    return HttpAnswer(200, {}, b"[" + b",".join(_TRADE % one for one in fills) + b"]")


@pytest.mark.parametrize(
    ("answers", "is_explained", "found"),
    [
        pytest.param([_NONE, _NONE, _NONE], False, False, id="nowhere"),
        pytest.param([VenueUnreachable("no", venue="x")], False, None, id="no-list"),
        pytest.param([_BROKEN], False, None, id="unreadable-list"),
        pytest.param([_NONE, _NONE, VenueUnreachable("no", venue="x")], False, None, id="no-fills"),
        pytest.param([_NONE, _NONE, _BROKEN], False, None, id="unreadable-fills"),
        pytest.param([_NONE, _NONE, _trades((1, b"BUY"))], False, True, id="a-fill-nobody-explains"),
        pytest.param([_NONE, _NONE, _trades((1, b"BUY"))], True, False, id="explained"),
        pytest.param([_NONE, _NONE, _trades((1, b"SELL"))], False, False, id="of-the-other-side"),
        pytest.param(
            [_NONE, _NONE, _trades(*((n, b"SELL") for n in range(1000))), _trades((1000, b"BUY"))],
            *(False, True),
            id="on-the-second-page",
        ),
    ],
)
def test_an_order_is_looked_for_in_lists_and_fills(
    answers: list[HttpAnswer | VenueError], is_explained: bool, found: bool | None
) -> None:
    """Without an answer nothing is said; a fill that nobody explains may be its own. Keeps S2-59."""

    def explained(_: TradeReport) -> bool:
        return is_explained

    async def looked(sending: Sending, one: Tracked) -> None:
        assert await Resolving(BROKER, BTC, sending).is_there(one, explained) is found

    caller = Answers(*answers)
    told(caller, looked)
    assert len(caller.asked) == len(answers)


def test_an_order_that_is_listed_is_there() -> None:
    """Its own question did not find it, and the list does."""
    listed = {
        **{"orderId": 5, "symbol": "BTCUSDT", "status": "NEW", "clientOrderId": "r-s-1", "price": "1"},
        **{"origQty": "10", "executedQty": "0", "side": "BUY", "updateTime": 1_795_219_200_000},
    }

    async def looked(sending: Sending, one: Tracked) -> None:
        resolving = Resolving(BROKER, BTC, sending)
        report = await resolving.listed(one)
        assert getattr(report, "venue_id", None) == "5"

    told(Answers(HttpAnswer(200, {}, msgspec.json.encode([listed])), _NONE), looked)
