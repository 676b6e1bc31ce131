"""Push: what changes is told as it changes, encoded once for everybody who listens."""

from perpscope.web.push.hub import Hub
from perpscope.web.push.mounting import routes

__all__ = ["Hub", "routes"]
