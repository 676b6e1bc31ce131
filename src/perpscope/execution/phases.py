"""The words of a live order's life: how far it has come, what comes next, and why it ended."""

import enum
import math
from typing import Final

import msgspec

#: Why an order was closed, beside the exchange's own CANCELLED and EXPIRED.
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
EXPIRED: Final = "expired"
ABSENT: Final = "absent"  #: it never came to the exchange
LATE: Final = "late"  #: it could not be sent in time, and was not
FINISHED: Final = "finished"  #: a condition closed what was held, which was less
BAND: Final = "price-band"  #: its limit is further from the mark than the exchange takes: it was not sent
FULL: Final = "max-orders"  #: with it and its stop too many orders would stand for a way out: it was not sent
STOPS_FULL: Final = "max-stops"  #: its stop would find no room among the conditional orders: it was not sent
RULES: Final = "rules"  #: the contract's rules have changed, and do not let it pass: it was not sent


class Phase(enum.Enum):
    """How far an order has come."""

    INTENDED = "intended"  #: not sent, or surely not arrived
    SENT = "sent"  #: a call is on its way
    WORKING = "working"  #: the exchange has said that it stands
    TRIGGERED = "triggered"  #: a condition was met; what it has become is being filled
    UNKNOWN = "unknown"  #: it may be there: to be asked
    OVER = "over"  #: the exchange is done with it, or never had it


class Do(enum.Enum):
    """What comes next."""

    NOTHING = "nothing"
    PLACE = "place"
    ASK = "ask"
    CANCEL = "cancel"
    LOOK = "look"  #: whether working orders or fills know it, for the exchange says there is no such order
    FETCH = "fetch"  #: its fills, for the exchange tells of more than have come
    CLOSE = "close"  #: tell that nothing more will come of it, and why
    DONE = "done"  #: all was told


class Next(msgspec.Struct, frozen=True):
    """What to do, and when; `at` is infinite where only news can change it."""

    do: Do
    at: float = -math.inf  #: real seconds (`time.monotonic`)
