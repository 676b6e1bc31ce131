"""Whether an entry leaves room for what has to follow it: exchanges let an account have so many orders standing.

In: an entry, the contract's rules, and what stands. Out: why it is not sent; empty = there is room. What reduces is
never asked about: the exchange alone may refuse it. Of an account's places an entry needs one while it waits, one for
its stop, and leaves one for a way out, which an exchange that counts all orders would refuse as well.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from perpscope.execution.phases import FULL, STOPS_FULL
from perpscope.execution.tracked import Tracked
from perpscope.model.exchange import OrderReport
from perpscope.model.instrument import Instrument
from perpscope.model.order import OrderKind, OrderRequest

#: Places that an entry leaves free, for the order that closes it.
_WAY_OUT: Final = 1


def lacking(
    request: OrderRequest, rules: Instrument, ours: Iterable[Tracked], others: Sequence[OrderReport] = ()
) -> str:
    """Why an entry finds no room; empty = it does, it only reduces, or no limit is known.

    Args:
        request: as it would be sent.
        rules: as they are now.
        ours: orders of the run that are not over.
        others: orders that are not ours, as the exchange listed them last; they take up places as well.
    """
    if request.is_reducing or (rules.max_orders is None and rules.max_conditional is None):
        return ""
    standing = list(ours)
    conditional = sum(one.is_conditional for one in standing) + sum(one.is_conditional for one in others)
    stop = not any(one.request.kind is OrderKind.STOP for one in standing)  # one that stands is its stop already
    if rules.max_conditional is not None and conditional + stop > rules.max_conditional:
        return STOPS_FULL
    wanted = (request.kind is OrderKind.LIMIT) + stop + _WAY_OUT
    if rules.max_orders is not None and len(standing) + len(others) + wanted > rules.max_orders:
        return FULL
    return ""
