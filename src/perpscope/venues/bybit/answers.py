"""Answers to what we send: acknowledgements, refusals, pongs.

`{"success": true, "ret_msg": "", "conn_id": …, "req_id": "1", "op": "subscribe"}`. A refusal names the one topic it is
for, at the end of `ret_msg`, but *all* topics of that message are refused with it (seen live in 2026). A topic that is
subscribed already is refused too; it goes on, so that is taken for an acknowledgement of that topic alone.
"""

import re

from perpscope.model.stream import Control

_SHOWN = 120  #: characters of the venue's words that go into a message
_TOPIC = re.compile(r"topic: ?([^\s,]+)\s*$")
_LONGEST_ID = 18
_ALREADY = "error:already subscribed"


def control(frame: dict[str, object]) -> Control | None:
    """Read an answer; None if it is none. Ids we sent are numbers, and come back as text."""
    succeeded = frame.get("success", frame.get("retCode") == 0)
    words = frame.get("ret_msg", frame.get("retMsg", ""))
    if not ("success" in frame or "op" in frame) or not isinstance(succeeded, bool) or not isinstance(words, str):
        return None
    if frame.get("op") == "pong" or words == "pong":
        return Control(None, None)
    request_id = _request_id(frame.get("req_id", frame.get("reqId")))
    if succeeded:
        return Control(request_id, None)
    named = _TOPIC.search(words)
    topic = named[1][:_SHOWN] if named else None
    if words.startswith(_ALREADY):
        return Control(request_id, None, topic)
    code = frame.get("retCode")
    error = f"{code}: {words}" if code is not None else words or "refused without a word"
    return Control(request_id, error[:_SHOWN], topic)


def _request_id(sent: object) -> int | str | None:
    if not isinstance(sent, str) or not sent:
        return None
    return int(sent) if len(sent) <= _LONGEST_ID and sent.isascii() and sent.isdigit() else sent[:_SHOWN]
