"""The log sink: each alert and saying as one line, for those who read logs or have nothing else set up."""

from collections.abc import Sequence

import structlog

from perpscope.analytics.alerts.alert import Alert, Severity
from perpscope.analytics.alerts.saying import Saying, Silent, Traded
from perpscope.app.alerts.sink import Delivery
from perpscope.feeds.clock import wall_ns
from perpscope.notify.messages import alert_text, plain, saying_text
from perpscope.notify.phrases import Language

_MS_NS = 1_000_000
_log = structlog.get_logger()


class LogSink:
    """Writes to the log.

    Args:
        language: of the lines.
    """

    name = "log"

    def __init__(self, language: Language) -> None:
        self._language = language

    async def tell(self, alert: Alert) -> Delivery:
        """Write it: critical ones as warnings."""
        text = plain(alert_text(alert, self._language))
        tell = _log.warning if alert.severity is Severity.CRITICAL else _log.info
        tell("alert", phase=alert.phase.value, text=text)
        return self._written(alert.id, alert.phase.value)

    async def say(self, saying: Saying) -> Delivery:
        """Write it: silences, and what of trading is loud, as warnings."""
        is_loud = isinstance(saying.told, Silent) or (isinstance(saying.told, Traded) and not saying.is_silent)
        tell = _log.warning if is_loud else _log.info
        tell("alerts", kind=saying.kind, text=plain(saying_text(saying, self._language)))
        return self._written(saying.id, saying.kind)

    def recall(self, told: Sequence[Delivery]) -> None:
        """A line is never edited."""

    async def run(self) -> None:
        """Nothing to do in between."""

    async def aclose(self) -> None:
        """Nothing is held."""

    def _written(self, name: str, phase: str) -> Delivery:
        return Delivery(sink=self.name, alert_id=name, at_ms=wall_ns() // _MS_NS, is_sent=True, phase=phase)
