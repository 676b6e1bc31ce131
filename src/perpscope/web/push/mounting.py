"""Where the streams are found: the routes the app mounts."""

from starlette.routing import BaseRoute, Route, WebSocketRoute

from perpscope.web.push.hub import Hub
from perpscope.web.push.sse import Liquidations
from perpscope.web.push.websocket import Stream

STREAM = "/api/v1/stream"
LIQUIDATIONS = ("/api/liquidations/real-time", "/api/v1/liquidations/real-time")


def routes(hub: Hub) -> list[BaseRoute]:
    """`/api/v1/stream` (WebSocket) and liquidations as they happen (event stream, and WebSocket at the same path).

    Args:
        hub: of this face; its `run` must be running. Who may come in, the guard has decided.
    """
    liquidations = Liquidations(hub)
    return [
        WebSocketRoute(STREAM, Stream(hub), name="stream"),
        *(Route(path, liquidations, methods=["GET"], name="liquidations_real_time") for path in LIQUIDATIONS),
        *(WebSocketRoute(path, liquidations, name="liquidations_real_time_socket") for path in LIQUIDATIONS),
    ]
