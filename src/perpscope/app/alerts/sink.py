"""What every sink is: something that takes alerts and sayings, and says what became of them.

In: alerts and sayings, one after another, none of which may wait for the network. Out: a delivery for each. A sink has
a queue of its own with a bound; what it cannot send it drops by its own policy, and says so.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from perpscope.analytics.alerts.alert import Alert
from perpscope.analytics.alerts.saying import Saying
from perpscope.app.face import Live
from perpscope.settings import Settings


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message at one sink."""

    sink: str  #: "telegram", "webhook", "log"
    alert_id: str  #: of the alert or the saying
    at_ms: int  #: real time, ms UTC
    is_sent: bool
    phase: str = ""  #: of an alert: "raised", "updated", "cleared"; of a saying: its kind
    why: str | None = None  #: where it was not sent; never with a token or an address in it
    reference: str | None = None  #: the sink's own name of the message, by which it can be edited after a restart


#: Called by a sink for what it delivers later than `tell` returned.
Delivered: TypeAlias = Callable[[Delivery], None]


class Sink(Protocol):
    """A way to tell people."""

    name: str

    async def tell(self, alert: Alert) -> Delivery:
        """RAISED sends; UPDATED and CLEARED edit where the sink can. Each sink is called in a task of its own."""
        ...

    async def say(self, saying: Saying) -> Delivery:
        """Say what is no alert; with `edits`, in place of that one."""
        ...

    def recall(self, told: Sequence[Delivery]) -> None:
        """What this sink delivered before a restart, newest last, so that it can be edited."""
        ...

    async def run(self) -> None:
        """Work until cancelled, where there is anything to do in between (commands, a queue)."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


class Controls(Protocol):
    """What a sink that takes commands may do to the alerts."""

    def mute(self, rule: str, seconds: float) -> int:
        """Hold a rule back, all coins ("*" = every rule), for so many real seconds; until when, ms UTC.

        Raises:
            ConfigError: there is no such rule ("alert-rule").
        """
        ...

    def unmute(self, rule: str) -> None:
        """Let a rule be heard again. Raises as `mute`."""
        ...

    def rules(self) -> Sequence[str]:
        """Names of all rules."""
        ...


#: Makes the sinks the settings ask for; (settings, store or None, what the heart tells, controls) → sinks.
SinkMaker: TypeAlias = Callable[[Settings, Path | None, Live, Controls], Sequence[Sink]]
