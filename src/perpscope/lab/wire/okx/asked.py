"""What a REST request asks for, in the venue's parameters: read, or refused in its words.

`before` and `after` bound a page: newer than the one, older than the other, neither included; pages come newest first.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from perpscope.lab.dialect import Call
from perpscope.lab.listing import Listing
from perpscope.lab.wire.okx.bars import SPANS, Span
from perpscope.lab.wire.okx.listings import index_name

Row = TypeVar("Row")

KINDS = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
_BAD_REQUEST, _OK = 400, 200


class Refused(Exception):
    """A request that makes no sense to the venue.

    Args:
        code: the venue's.
        said: in its words.
        status: of the HTTP reply; most codes come with 200.
    """

    def __init__(self, code: int, said: str, status: int = _OK) -> None:
        super().__init__(said)
        self.code = code
        self.status = status


def missing(name: str) -> Refused:
    """A parameter that must be there is not."""
    return Refused(50014, f"Parameter {name} can not be empty.", _BAD_REQUEST)


def either(first: str, second: str) -> Refused:
    """Neither of two parameters is there."""
    return Refused(50015, f"Either parameter {first} or {second} is required.", _BAD_REQUEST)


def wrong(name: str) -> Refused:
    """A parameter has a value it cannot have."""
    return Refused(51000, f"Parameter {name} error", _BAD_REQUEST)


def text(call: Call, name: str) -> str:
    """A parameter that must be there."""
    if not call.query.get(name):
        raise missing(name)
    return call.query[name]


def integer(call: Call, name: str, default: int) -> int:
    """A number that may be there."""
    written = call.query.get(name)
    if not written:
        return default
    if not (written.isascii() and written.isdecimal()):
        raise wrong(name)
    return int(written)


def kind(call: Call) -> str:
    """The type of instrument."""
    asked = text(call, "instType")
    if asked not in KINDS:
        raise wrong("instType")
    return asked


def listing(call: Call, listings: Iterable[Listing]) -> Listing:
    """The instrument."""
    asked = text(call, "instId")
    for known in listings:
        if known.symbol == asked:
            return known
    raise Refused(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def index(call: Call, listings: Iterable[Listing]) -> Listing:
    """The swap on the index that `instId` names."""
    asked = text(call, "instId")
    for known in listings:
        if index_name(known.symbol) == asked:
            return known
    raise Refused(51014, "Index doesn't exist.")


def of_families(call: Call, listings: Sequence[Listing]) -> Sequence[Listing]:
    """Those of the families (or underlyings) named, if any are."""
    asked = call.query.get("instFamily") or call.query.get("uly")
    families = set(asked.split(",")) if asked else None
    return [known for known in listings if families is None or index_name(known.symbol) in families]


def bar(call: Call, name: str, default: str) -> str:
    """The name of a length of time that bars or periods may have."""
    asked = call.query.get(name) or default
    if asked not in SPANS:
        raise wrong(name)
    return asked


def period(call: Call) -> Span:
    """Of statistics; five minutes at the least."""
    asked = bar(call, "period", "5m")
    if asked in ("1m", "3m"):
        raise wrong("period")
    return SPANS[asked]


def page(
    call: Call,
    rows: Iterable[Row],
    at: Callable[[Row], int],
    limits: tuple[int, int],
    bounds: tuple[str, str] = ("before", "after"),
) -> list[Row]:
    """The newest rows between two bounds, newest first.

    Args:
        call: the request.
        rows: newest first.
        at: what the bounds are compared with: a time in ms, or an id.
        limits: rows if no `limit` is asked for, and at most: more than that is asked for in vain.
        bounds: names of the parameters that rows are above and below.
    """
    above, below = integer(call, bounds[0], -1), integer(call, bounds[1], 2**63)
    default, most = limits
    return [row for row in rows if above < at(row) < below][: min(max(1, integer(call, "limit", default)), most)]
