"""Behind the guard: a known path goes straight to its desk, all else by the framework's router.

That is streams, tickets, health, paths with a name in them, and what is not found. The framework's own layers would
cost a kept answer more than everything of ours.
"""

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """An ASGI application.

    Args:
        framework: takes what has no desk, and the lifespan.
        desks: path → what serves it.
    """

    def __init__(self, framework: FastAPI, desks: Mapping[str, ASGIApp]) -> None:
        self._framework = framework
        self._desks = dict(desks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        is_read = scope["type"] == "http" and scope["method"] != "POST"
        desk = self._desks.get(scope["path"]) if is_read else None
        await (desk or self._framework)(scope, receive, send)
