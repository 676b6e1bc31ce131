"""What the guard says no with: status, code, sentence, hint. Each code is in docs/errors.md."""

from perpscope.web.asked import MAX_BODY
from perpscope.web.problem import Refused
from perpscope.web.rates import Standing


def key_missing() -> Refused:
    """A key is asked for, and none was sent."""
    return Refused(
        401,
        "key-missing",
        "this service asks for an API key",
        hint="Authorization: Bearer pps_…, or X-API-Key; perpscope keys add makes one",
        headers={"www-authenticate": 'Bearer realm="perpscope"'},
    )


def key_wrong() -> Refused:
    """There is no such key."""
    return Refused(
        401,
        "key-wrong",
        "there is no such key, or it has ended",
        hint="perpscope keys list",
        headers={"www-authenticate": 'Bearer realm="perpscope", error="invalid_token"'},
    )


def ticket_wrong() -> Refused:
    """There is no such ticket."""
    return Refused(
        401,
        "ticket-wrong",
        "there is no such ticket, it was used, it is older than 30 s, or its key has ended",
        hint="ask for a new one: POST /api/v1/stream/ticket",
    )


def origin_refused(origin: str) -> Refused:
    """A page of another origin asks."""
    return Refused(
        403, "origin-refused", f"a page of {origin} may not ask", hint="web.origins lists the pages that may"
    )


def too_many(standing: Standing, why: str) -> Refused:
    """Come back later."""
    return Refused(
        429,
        "too-many-requests",
        why,
        hint=f"wait {standing.retry_s} s; the setting is web.requests_per_min",
        headers={"retry-after": str(standing.retry_s)},
    )


def body_too_large() -> Refused:
    """Nobody has reason to send so much."""
    return Refused(413, "body-too-large", f"a body may have {MAX_BODY} bytes", headers={"connection": "close"})
