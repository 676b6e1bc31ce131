"""One live order from intent to end: what is known of it, what is to be done next, and nothing done twice.

In: replies to calls about it, reports and fills of it from wherever, and real time passing. Out: `next`, the one thing
to do now. No I/O and no clock: whoever holds it makes the calls and books the fills.

Nothing is sent again that may have been done: an order of which nobody knows is asked for. It is absent only when the
exchange itself says so, N times over T seconds, and neither its list of working orders nor our fills know it. An error
of the network says nothing; a word that its id is in use says that it is there.
"""

import math
from decimal import Decimal
from typing import Final

from perpscope.execution.phases import ABSENT, CANCELLED, EXPIRED, FINISHED, LATE, REFUSED, Do, Next, Phase
from perpscope.model.exchange import Ending, OrderReport, OrderState, Reply, TradeReport
from perpscope.model.order import OrderKind, OrderRequest

DEADLINE_S: Final = 10.0  #: from intent on: what is not sent by then is not sent at all; chosen by hand
ABSENCES: Final = 3  #: RELIABILITY D2, D3: answers "no such order" that are wanted,
ABSENT_S: Final = 3.0  #: and over how long
_ASKS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)  # between two questions; the last again and again
_RETRIES_S: Final = (0.2, 0.4, 0.8)  # RELIABILITY 1.1: of what the exchange says it has not done
_LOOKS: Final = 3  # then a fill that nobody can explain is somebody else's
_FETCHES: Final = 20  # then what was not told remains untold, and positions are found to differ
_CANCELS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # D17: a cancel that does not help is no reason to hurry
_ENDS: Final = {OrderState.CANCELLED: CANCELLED, OrderState.REJECTED: REFUSED, OrderState.EXPIRED: EXPIRED}
_ZERO: Final = Decimal(0)


_WAIT: Final = Next(Do.NOTHING, math.inf)


class Tracked:
    """One live order.

    Args:
        request: what was approved.
        now: real seconds (`time.monotonic`), as everywhere here.
        is_made_here: no desk has decided it, or knows it by its id.
        wished: base units that the desk asked for, where the exchange takes others; None = those.
    """

    def __init__(
        self, request: OrderRequest, now: float, *, is_made_here: bool = False, wished: Decimal | None = None
    ) -> None:
        self.request = request
        self.wished = request.size if wished is None else wished  #: base units, as the desk knows it
        self.begun = now  #: real seconds
        self.is_made_here = is_made_here
        self.phase = Phase.INTENDED
        self.since = now  #: real seconds, from when on the phase is so
        self.venue_id = ""
        self.becomes = ""  #: `venue_id` of what a conditional order has become
        self.filled = _ZERO  #: base units, of the fills that are booked
        self.why = ""  #: of one that is over: why; empty = filled
        self.refusal: Reply | None = None  #: the exchange's, of the call that placed it
        self.is_wanted_back = False
        self.is_closed = False  #: its end was told, or needs no telling
        self.others: set[str] = set()  #: further orders of the same id that the exchange has
        self._seen: set[int] = set()  # trade ids
        self._unbooked = _ZERO  # of fills seen
        self._elsewhere = _ZERO  # of fills that others have booked, who did not know whose they were
        self._reported = _ZERO  # what the exchange says is filled
        self._at = now  # when to send, or ask
        self._tries = 0  # questions in this phase
        self._retries = 0  # sent again, after the exchange said that it was not done
        self._cancel_at, self._cancels = now, 0
        self._fetch_at, self._fetches = now, 0
        self._absences = 0
        self._absent_s = (now, now)  # first and last
        self._has_failed = False  # the exchange said that it was not done
        self._is_presumed = False  # over, and nothing of it was ever told
        self._looks = 0
        self._is_adopted = False

    @classmethod
    def adopted(
        cls, request: OrderRequest, now: float, *, filled: Decimal, venue_id: str = "", is_made_here: bool = False
    ) -> "Tracked":
        """One that an earlier process has left, and that was not over by then: to be asked for."""
        order = cls(request, now, is_made_here=is_made_here)
        order.filled, order.venue_id, order.phase = filled, venue_id, Phase.UNKNOWN
        order._is_adopted = True
        return order

    # what is asked of it ----------------------------------------------------------------------------------------------

    @property
    def is_conditional(self) -> bool:
        """It waits for a price among the conditional orders."""
        return self.request.kind in (OrderKind.STOP, OrderKind.TAKE)

    @property
    def state(self) -> str:
        """The phase in a word, for faces: one that is taken back while it works is "cancelling"."""
        is_cancelling = self.is_wanted_back and self.phase is Phase.WORKING
        return "cancelling" if is_cancelling else self.phase.value

    @property
    def is_done(self) -> bool:
        """The exchange is done with it, and all was told."""
        return self.phase is Phase.OVER and self.is_closed and not self._unbooked and not self._is_behind

    @property
    def is_moving(self) -> bool:
        """Something of it is on its way, not known, or not booked."""
        if self.phase is not Phase.WORKING or self.is_wanted_back or self.request.kind is OrderKind.MARKET:
            return not self.is_done
        return self._unbooked > 0 or self._is_behind

    @property
    def _is_behind(self) -> bool:
        known = self.filled + self._elsewhere + self._unbooked
        return known < self._reported and self._fetches < _FETCHES

    def is_of(self, trade: TradeReport) -> bool:
        """Whether a fill is one of this order, or of what it has become."""
        ours = self.becomes if self.is_conditional else self.venue_id
        return trade.id == self.request.id or trade.venue_id == ours != ""

    def next(self) -> Next:
        """What to do, and when; to be asked while no call of it is under way."""
        match self.phase:
            case Phase.INTENDED:
                return Next(Do.PLACE, self._at)
            case Phase.SENT:
                return _WAIT
            case Phase.UNKNOWN:
                return Next(Do.LOOK if self._is_absent else Do.ASK, self._at)
            case Phase.OVER:
                return self._at_the_end()
            case Phase.WORKING | Phase.TRIGGERED:
                return min(self._while_alive(), key=lambda some: some.at)

    def _while_alive(self) -> list[Next]:
        """A market order, and what a condition has become, are over in no time: if nobody says so, ask."""
        some = [_WAIT]
        if self._is_behind:
            some.append(Next(Do.FETCH, self._fetch_at))
        if self.phase is Phase.TRIGGERED:
            some.append(Next(Do.ASK, self._at))
        elif self.is_wanted_back:
            some.append(Next(Do.CANCEL, self._cancel_at))
        elif self.request.kind is OrderKind.MARKET:
            some.append(Next(Do.ASK, self._at))
        return some

    def _at_the_end(self) -> Next:
        if self._unbooked > 0:
            return _WAIT
        if self._is_behind:
            return Next(Do.FETCH, self._fetch_at)
        return Next(Do.DONE if self.is_closed else Do.CLOSE)

    @property
    def _is_absent(self) -> bool:
        first, last = self._absent_s
        return self._absences >= ABSENCES and last - first >= ABSENT_S

    # what is done with it ---------------------------------------------------------------------------------------------

    def pass_time(self, now: float) -> None:
        """Let one go that could not be sent in time."""
        if self.phase is Phase.INTENDED and now - self.begun >= DEADLINE_S:
            self.refuse(REFUSED if self._has_failed else LATE, now)

    def refuse(self, why: str, now: float) -> None:
        """Let one go that is not to be sent (any more)."""
        self._end(why, now)
        self._is_presumed = True

    def take_back(self, now: float) -> None:
        """It is not wanted any more: before it was sent this ends it, later it is cancelled as soon as it works."""
        self.is_wanted_back = True
        if self.phase is Phase.INTENDED:
            self.refuse(CANCELLED, now)

    def doubt(self, now: float) -> None:
        """The exchange does not list it: ask."""
        if self.phase is Phase.WORKING:
            self._wonder(now)

    def hold(self, until: float) -> None:
        """Do not send it before then."""
        self._at = max(self._at, until)

    def sending(self, now: float) -> None:
        """The call that places it is made now."""
        self._turn(Phase.SENT, now)

    def placed(self, reply: Reply, now: float, *, is_duplicate: bool = False, was_sent: bool = True) -> None:
        """Take the reply to the call that places it.

        Args:
            reply: what it came to.
            now: real seconds.
            is_duplicate: the exchange says that an order of this id is there already.
            was_sent: False where the call surely never left.
        """
        if reply.report is not None:
            self.reported(reply.report, now)
        if self.phase is not Phase.SENT:
            return  # what became of it was told before the reply
        if is_duplicate:
            self._wonder(now)
        elif reply.ending is Ending.REFUSED:
            self.refusal = reply
            self.refuse(REFUSED, now)
        elif reply.ending is Ending.LIMITED:
            self._turn(Phase.INTENDED, now)
            self._at = now + reply.wait_s
        elif reply.ending is Ending.FAILED:
            self._failed(max(reply.wait_s, _RETRIES_S[min(self._retries, len(_RETRIES_S) - 1)]), now, was_sent)
        else:
            self._wonder(now, _ASKS_S[0])

    def _failed(self, delay: float, now: float, was_sent: bool) -> None:
        """Exits are sent again, after asking: orders were found done that the exchange said it had not (banbot#114)."""
        self._has_failed = True
        if was_sent:
            self._wonder(now, delay)
        elif self.request.is_reducing:
            self._resend(now, delay)
        else:
            self.refuse(REFUSED, now)

    def _resend(self, now: float, delay: float = 0.0) -> None:
        if self._retries >= len(_RETRIES_S):
            self.refuse(REFUSED, now)
            return
        self._retries += 1
        self._turn(Phase.INTENDED, now)
        self._at = now + delay

    def asked(self, reply: Reply, now: float, *, is_absent: bool = False) -> None:
        """Take the reply to a question about it; `is_absent`: the exchange itself says that there is no such order."""
        self._again(now, reply.wait_s)
        if reply.report is not None:
            self.reported(reply.report, now)
        elif is_absent and self.phase in (Phase.UNKNOWN, Phase.WORKING):
            self._absences += 1
            self._absent_s = (now if self._absences == 1 else self._absent_s[0], now)
            if self._has_failed and self.request.is_reducing and not self.is_wanted_back and not self.venue_id:
                self._resend(now)
            elif self.phase is Phase.WORKING:
                self._wonder(now, _ASKS_S[0])
            elif self._is_absent:
                self._at = now

    def looked(self, is_there: bool | None, now: float) -> None:
        """Take whether working orders or fills know it; None = that could not be told."""
        self._again(now)
        if self.phase is not Phase.UNKNOWN or is_there is None:
            return
        self._looks += 1
        if is_there and self._looks < _LOOKS:
            self._absences = 0
        else:
            self.refuse(REFUSED if self._has_failed else ABSENT, now)

    def cancelled(self, reply: Reply, now: float) -> None:
        """Take the reply to the call that takes it back; unless it says what became of the order, that is asked."""
        if reply.report is not None:
            self.reported(reply.report, now)
        self._cancel_at = now + max(reply.wait_s, _CANCELS_S[min(self._cancels, len(_CANCELS_S) - 1)])
        if reply.ending is Ending.LIMITED:
            return
        self._cancels += 1
        if self.phase is Phase.WORKING:
            self._wonder(now, 0.0 if reply.ending in (Ending.DONE, Ending.REFUSED) else _ASKS_S[0])

    def fetched(self, now: float) -> None:
        """Its fills were asked for, whatever came of it."""
        self._fetch_at = now + _ASKS_S[min(self._fetches, len(_ASKS_S) - 1)]
        self._fetches += 1

    def closed(self) -> None:
        """Its end was told."""
        self.is_closed = True

    # what is heard of it ----------------------------------------------------------------------------------------------

    def reported(self, report: OrderReport, now: float) -> None:
        """Take what the exchange says of it, early or late, once or twice."""
        if report.is_conditional is not self.is_conditional:
            if self.is_conditional:
                self._has_become(report, now)
            return
        if self.venue_id not in ("", report.venue_id):
            self.others.add(report.venue_id)
            return
        self.venue_id = report.venue_id
        self.becomes = report.becomes or self.becomes
        self._take(report, now)

    def _has_become(self, report: OrderReport, now: float) -> None:
        if self.becomes not in ("", report.venue_id):
            self.others.add(report.venue_id)
            return
        self.becomes = report.venue_id
        self._take(report, now, is_triggered=True)

    def _take(self, report: OrderReport, now: float, *, is_triggered: bool = False) -> None:
        self._absences = 0
        if report.filled > self._reported:
            self._reported, self._fetches, self._fetch_at = report.filled, 0, now + _ASKS_S[0]
        if self.phase is Phase.OVER:
            if not self._is_presumed:
                return  # late news of what it was before
            self._is_presumed = False
            self.is_wanted_back |= self.is_closed  # its end was told: it must not live on
        if report.state.is_over:
            why = _ENDS.get(report.state, "")
            self._end(FINISHED if self.is_conditional and why == "" else why, now)
        elif is_triggered or report.state is OrderState.TRIGGERED:
            self._turn(Phase.TRIGGERED, now)
        elif self.phase is not Phase.TRIGGERED:
            self._turn(Phase.WORKING, now)

    def traded(self, trade: TradeReport) -> bool:
        """Take a fill of it; True if it is to be booked, False if it was seen before."""
        if trade.trade_id in self._seen:
            return False
        self._seen.add(trade.trade_id)
        self._unbooked += trade.size
        return True

    def booked(self, trade: TradeReport, *, is_new: bool) -> None:
        """A fill was written down; `is_new` False: it had been already, and is told."""
        self._unbooked -= trade.size
        if is_new:
            self.filled += trade.size
        elif not self._is_adopted:  # there it is counted already
            self._elsewhere += trade.size

    # its phases -------------------------------------------------------------------------------------------------------

    def _turn(self, phase: Phase, now: float) -> None:
        if phase is not self.phase:
            self.phase, self.since = phase, now
            self._tries, self._at = 0, now + _ASKS_S[1]

    def _wonder(self, now: float, delay: float = 0.0) -> None:
        self._turn(Phase.UNKNOWN, now)
        self._at = now + delay

    def _again(self, now: float, wait_s: float = 0.0) -> None:
        self._tries += 1
        self._at = now + max(wait_s, _ASKS_S[min(self._tries, len(_ASKS_S) - 1)])

    def _end(self, why: str, now: float) -> None:
        self._turn(Phase.OVER, now)
        self.why = why
