r"""What the venue answers to a subscription.

An acknowledgement repeats the `arg` it is about. A refusal does not, but its words begin with it, as JSON in a string:
`{"event":"error","code":30001,"msg":"{\"instType\":…} doesn't exist"}`. `code` is a number, or a string where the
documentation shows it. No answer carries an id.
"""

import msgspec

from perpscope.model.stream import Control
from perpscope.venues.bitget.wire import AnyArg, Arg, Envelope

_SHOWN = 120  #: characters of the venue's words that go into a message
_CLOSES = "connection close"  #: in the words of 30007, "request over limit, connection close" (from memory)

_read_arg = msgspec.json.Decoder(Arg).decode


def topic_name(arg: Arg) -> str:
    """Name of a topic: its `arg` as JSON, keys in the venue's order.

    >>> topic_name(Arg("usdt-futures", "kline", "BTCUSDT", "1H"))
    '{"instType":"usdt-futures","topic":"kline","symbol":"BTCUSDT","interval":"1H"}'
    """
    return msgspec.json.encode(arg).decode()


def answer(envelope: Envelope) -> Control | None:
    """Read an answer; None if it is none that we know.

    That a topic was left is told without its name, so that it never passes for the answer to subscribing it anew.
    """
    match envelope.event:
        case "subscribe":
            return Control(None, error=None, topic=_named(envelope.arg))
        case "unsubscribe" | "login":
            return Control(None, error=None)
        case "error":
            words = envelope.msg
            name = _named(envelope.arg) or _quoted(words)
            error = f"{envelope.code}: {words}"[:_SHOWN]
            return Control(None, error=error, topic=name, is_closing=_CLOSES in words.lower())
        case _:
            return None


def _named(arg: AnyArg | None) -> str | None:
    return topic_name(Arg(arg.instType, arg.topic, arg.symbol, arg.interval)) if arg is not None and arg.topic else None


def _quoted(words: str) -> str | None:
    """The topic a refusal begins with, if it does."""
    try:
        return topic_name(_read_arg(words[: words.rfind("}") + 1]))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
