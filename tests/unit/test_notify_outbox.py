"""Between the watch and a sink: one message that is held holds no other, and critical ones survive a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
from tests.unit.told import alert, silence

from perpscope.analytics.alerts.alert import Alert, Severity
from perpscope.analytics.alerts.saying import Saying
from perpscope.app.alerts.ledger import Ledger
from perpscope.app.alerts.outbox import Outbox
from perpscope.app.alerts.sink import Delivery
from perpscope.feeds.clock import wall_ns

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
HELD, FREE = alert(coin="BTC"), alert(coin="ETH")
CRITICAL = alert(coin="SOL", severity=Severity.CRITICAL)


class Post:
    """A sink whose messages wait until they are let go, by coin; one coin breaks it."""

    name = "post"

    def __init__(self) -> None:
        self.gates = {"BTC": asyncio.Event()}
        self.told: list[str] = []

    async def tell(self, alert: Alert) -> Delivery:
        """Wait for its gate, if it has one."""
        if alert.coin == "BAD":
            raise ValueError("broken")
        if alert.coin in self.gates:
            await self.gates[alert.coin].wait()
        self.told.append(alert.coin)
        return Delivery(sink=self.name, alert_id=alert.id, at_ms=0, is_sent=True, phase=alert.phase.value)

    async def say(self, saying: Saying) -> Delivery:
        """At once."""
        self.told.append(saying.kind)
        return Delivery(sink=self.name, alert_id=saying.id, at_ms=0, is_sent=True, phase=saying.kind)

    def recall(self, told: Sequence[Delivery]) -> None:
        """It never edits."""

    async def run(self) -> None:
        """Nothing in between."""

    async def aclose(self) -> None:
        """Nothing is held."""


async def test_a_message_that_is_held_holds_up_no_other(eventually: Eventually) -> None:
    """Telegram's "wait 300 s" for one chat, or a sink that breaks, does not keep the next alert from going out."""
    sink, found = Post(), list[Delivery]()
    outbox = Outbox(sink, found.append)
    for each in (HELD, alert(coin="BAD"), FREE):
        outbox.put(each)
    outbox.put(silence())
    running = asyncio.create_task(outbox.run())
    await eventually(lambda: len(found) == 3)
    assert sink.told == ["ETH", "silent"]
    assert [delivery.why for delivery in found if not delivery.is_sent] == ["ValueError"]
    sink.gates["BTC"].set()
    await eventually(lambda: len(found) == 4)
    assert sink.told == ["ETH", "silent", "BTC"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def log_of(path: Path) -> Path:
    """A store's alerts: one critical, one not, one held back."""
    ledger = Ledger(path)
    held_back = msgspec.structs.replace(CRITICAL, id="big-liq:XRP:1", coin="XRP")
    ledger.alerts([(CRITICAL, None), (FREE, None), (held_back, "quiet hours")], b"")
    ledger.close()
    return path


def resumed(path: Path, *deliveries: Delivery) -> list[str]:
    """Coins whose alerts go out again in the next life, after these deliveries."""
    ledger = Ledger(path)
    for delivery in deliveries:
        ledger.delivered(delivery)
    left = ledger.remembered()
    ledger.close()
    outbox = Outbox(Post(), lambda _: None)
    outbox.recall(left.deliveries, left.critical)
    return [message.coin for message in outbox._waiting if isinstance(message, Alert)]


def delivery(of: Alert, *, is_sent: bool, sink: str = "post") -> Delivery:
    """Of now."""
    return Delivery(sink=sink, alert_id=of.id, at_ms=wall_ns() // 1_000_000, is_sent=is_sent, phase="raised")


def test_a_critical_alert_that_was_not_sent_goes_out_after_a_restart(tmp_path: Path) -> None:
    """Killed before Telegram took it, the next face sends it: it alone, to that sink alone, and once."""
    path = log_of(tmp_path / "m.db")
    assert resumed(path) == ["SOL"], "killed before anything was written of it"
    assert resumed(path, delivery(CRITICAL, is_sent=True, sink="log")) == ["SOL"], "another sink's word is not ours"
    assert resumed(path, delivery(CRITICAL, is_sent=False)) == ["SOL"]
    assert resumed(path, delivery(CRITICAL, is_sent=True)) == []
