"""What an endpoint is: a question with bounds, the body that answers it, and the function that makes it.

The app, the documents at `/openapi.json` and the tests are all derived from these.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from perpscope.web.meta import Meta
from perpscope.web.sources import Sources


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is no JSON."""

    content: bytes
    content_type: str
    headers: dict[str, str]
    meta: Meta


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One question that can be asked with GET."""

    name: str  #: operationId, snake_case; never changes
    paths: tuple[str, ...]  #: the documented one first, then below /api/v1/; "{symbol}" names a field of `query`
    tag: str  #: the group it stands in on the page of the API
    summary: str
    description: str = ""
    query: type[msgspec.Struct]  #: every field with bounds, a description and a default; other names are refused
    body: type[msgspec.Struct]  #: has a field `meta: Meta`
    make: Callable[[Sources, Any], Any]  #: (sources, query) → body, or `Raw`; in a worker thread; raises PerpscopeError
    fresh_s: float = 1.0  #: real seconds an answer is kept: it is made no oftener, however many ask
    scope: str = "read"  #: what a key must be good for
    cost: float = 1.0  #: requests it counts as, of the rate limit
    headers: Callable[[Any, Any], dict[str, str]] | None = None  #: (query, body) → headers of its own, e.g. Link
    raw: tuple[str, ...] = ()  #: content types of `Raw` answers it may give
