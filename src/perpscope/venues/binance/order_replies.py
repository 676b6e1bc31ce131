"""What an answer to an order, a cancel or a question about one means: done, refused, failed, limited, or not known.

Sources: "HTTP Return Codes" and "Error Codes" of USD-M futures' general info. A 503 has four meanings and only
"Unknown error" leaves open what happened; -1006 and -1007 leave it open under any status. What we cannot read leaves it
open too: a web page, an empty body, a refusal under status 200. Wrong here means two orders, or none.
"""

import msgspec

from perpscope.model.exchange import Ending, OrderReport, Reply
from perpscope.ports.broker import HttpAnswer
from perpscope.venues.binance.orders import WireAlgo, WireOrder

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_OK, _TOO_MANY, _BANNED, _SERVER = 200, 429, 418, 500
_CLIENT = range(400, 500)
_SHOWN = 120  #: characters of the venue's words
_WAIT_S, _TOO_MANY_S, _ORDERS_S, _BANNED_S, _MOST_S = 0.2, 60.0, 10.0, 120.0, 3 * 86_400.0

MISTIMED = -1021
_WOULD_TRIGGER = -2021
_TOO_MUCH_WEIGHT, _TOO_MANY_ORDERS = -1003, -1015
#: "An unknown error occurred", "unexpected response", "execution status unknown".
_OPEN = frozenset({-1000, -1006, -1007})
#: Not done, and asking again may help: "internal error; unable to process", throttled, shutting down, our clock.
_FAILED = frozenset({-1001, -1008, -1016, MISTIMED})
_ABSENT = frozenset({-2011, -2013})
#: -4116: of plain orders, and of conditional ones at the lab. -4115 is what transactions of that name say.
_DUPLICATE = frozenset({-4115, -4116})
#: What was asked for is so already: margin type, position mode, a cancel of everything that found nothing.
_SO_ALREADY = frozenset({-4046, -4059})
#: What the filters of a contract refuse (D14): precision, step, tick, least and most of price, size and value, how far
#: from the mark, how many may stand; -1013 is any filter, -4140 a contract that may only be closed.
_OFF_RULES = frozenset(
    {
        *(-2025, -4045),
        *(-1013, -1111, -4002, -4003, -4004, -4005, -4013, -4014, -4016, -4023, -4024),
        *(-4131, -4140, -4164, -4183, -4184),
    }
)
_SERVICE_FAILED = ("Service Unavailable", "Internal error")


class _Refusal(msgspec.Struct):
    code: int
    msg: str = ""


class _Told(msgspec.Struct):
    """What says that something was done, where no order is told."""

    code: int | str | None = None
    msg: str = ""
    leverage: int | None = None
    listenKey: str | None = None


_read_order = msgspec.json.Decoder(WireOrder).decode
_read_algo = msgspec.json.Decoder(WireAlgo).decode
_read_told = msgspec.json.Decoder(_Told).decode
_read_refusal = msgspec.json.Decoder(_Refusal).decode


def reply(answer: HttpAnswer) -> Reply:
    """What a call has come to; never raises."""
    if answer.status == _OK:
        return _done(answer)
    try:
        refusal = _read_refusal(answer.body)
    except _UNREADABLE:
        return _unreadable(answer)
    return _refused(answer, refusal.code, refusal.msg[:_SHOWN])


def is_absent(told: Reply) -> bool:
    """Whether there is no such order, as far as the venue knows at the moment."""
    return told.ending is Ending.REFUSED and told.code in _ABSENT


def is_duplicate(told: Reply) -> bool:
    """Whether an order of that id is there already."""
    return told.ending is Ending.REFUSED and told.code in _DUPLICATE


def is_met(told: Reply) -> bool:
    """Whether a condition would be met at once."""
    return told.ending is Ending.REFUSED and told.code == _WOULD_TRIGGER


def is_off_rules(told: Reply) -> bool:
    """Whether an order does not keep to the contract's filters, as they are now."""
    return told.ending is Ending.REFUSED and told.code in _OFF_RULES


def is_mistimed(answer: HttpAnswer) -> bool:
    """Whether a call was refused for the time it was signed with."""
    if answer.status == _OK:
        return False
    try:
        return _read_refusal(answer.body).code == MISTIMED
    except _UNREADABLE:
        return False


def _done(answer: HttpAnswer) -> Reply:
    report = _report(answer.body)
    if report is not None:
        return Reply(ending=Ending.DONE, report=report, why=report.why)
    try:
        told = _read_told(answer.body)
    except _UNREADABLE:
        return _unreadable(answer)
    if str(told.code) == "200" or told.leverage is not None or told.listenKey is not None:
        return Reply(ending=Ending.DONE, why=told.msg[:_SHOWN])
    return _unreadable(answer)


def _report(body: bytes) -> OrderReport | None:
    """The order an answer tells, if it tells one whole."""
    try:
        return _read_order(body).report()
    except _UNREADABLE:
        pass
    try:
        return _read_algo(body).report()
    except _UNREADABLE:
        return None


def _refused(answer: HttpAnswer, code: int, words: str) -> Reply:
    if answer.status in (_TOO_MANY, _BANNED) or code in (_TOO_MUCH_WEIGHT, _TOO_MANY_ORDERS):
        return _limited(answer, code, words)
    if code in _OPEN or answer.status not in _CLIENT:
        if code in _FAILED or (code not in _OPEN and words.startswith(_SERVICE_FAILED)):
            return Reply(ending=Ending.FAILED, code=code, why=words, wait_s=_WAIT_S)
        return Reply(ending=Ending.UNKNOWN, code=code, why=words or f"HTTP {answer.status}")
    if code in _FAILED:
        return Reply(ending=Ending.FAILED, code=code, why=words, wait_s=_WAIT_S)
    if code in _SO_ALREADY:
        return Reply(ending=Ending.DONE, code=code, why=words)
    return Reply(ending=Ending.REFUSED, code=code, why=words)


def _limited(answer: HttpAnswer, code: int | None, words: str) -> Reply:
    usual = {_BANNED: _BANNED_S}.get(answer.status, _ORDERS_S if code == _TOO_MANY_ORDERS else _TOO_MANY_S)
    told = answer.headers.get("retry-after", "")
    wait_s = float(told) if told.isascii() and told.isdecimal() and len(told) < 10 else usual
    return Reply(ending=Ending.LIMITED, code=code, why=words or f"HTTP {answer.status}", wait_s=min(wait_s, _MOST_S))


def _unreadable(answer: HttpAnswer) -> Reply:
    """Nobody knows, unless the status alone says that nothing was done."""
    if answer.status in (_TOO_MANY, _BANNED):
        return _limited(answer, None, "")
    begins = answer.body[:_SHOWN].decode("utf-8", "replace")
    return Reply(ending=Ending.UNKNOWN, why=f"HTTP {answer.status} with an answer we cannot read: {begins!r}")
