"""What Binance answers when something goes wrong on its side: the meanings of 503, and answers that do not say.

A 503 "Unknown error" and -1007 leave open whether the order was placed; "Service Unavailable", "Internal error" and
-1008 say that it failed, and -1008 lets through whatever only closes a position (general info, "HTTP return codes").
"""

from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.dialect import SILENCE, Answer
from perpscope.lab.wire.binance import replies

_UNAVAILABLE, _BAD_GATEWAY, _TIMEOUT, _BAD_REQUEST = 503, 502, 408, 400
_UNKNOWN = Answer(replies.error(0, "Unknown error, please check your request or try again later."), _UNAVAILABLE)
_TIMED_OUT = Answer(
    replies.error(
        -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
    ),
    _TIMEOUT,
)
_OVERLOADED = Answer(
    replies.error(
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
    ),
    _UNAVAILABLE,
)
_ANSWERS = {
    Mishap.LOST_REQUEST: SILENCE,
    Mishap.LOST_REPLY: SILENCE,
    Mishap.UNKNOWN: _UNKNOWN,
    Mishap.UNKNOWN_NOT_DONE: _UNKNOWN,
    Mishap.TIMEOUT: _TIMED_OUT,
    Mishap.TIMEOUT_NOT_DONE: _TIMED_OUT,
    Mishap.UNAVAILABLE: Answer(replies.error(0, "Service Unavailable."), _UNAVAILABLE),
    Mishap.INTERNAL: Answer(replies.UNAVAILABLE, _UNAVAILABLE),
    Mishap.OVERLOADED: _OVERLOADED,
    Mishap.OVERLOADED_DONE: _OVERLOADED,
    Mishap.UNREADABLE: Answer(b"<html><body><h1>502 Bad Gateway</h1></body></html>", _BAD_GATEWAY),
}


def mishap(struck: Misfortune) -> Answer:
    """What a request is answered that something went wrong with."""
    if struck.kind is Mishap.REFUSED:
        return Answer(replies.error(struck.code, struck.message or "Refused."), _BAD_REQUEST)
    return _ANSWERS[struck.kind]
