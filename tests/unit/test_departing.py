"""Orders about to go: waited for, but never for long."""

import asyncio

from perpscope.execution.departing import MOST_S, Departures


async def test_an_order_is_waited_for_until_it_is_gone() -> None:
    """Whoever stands back goes on when the last of them is on the wire, and at once where there is none."""
    departures = Departures()
    await departures.wait()
    departures.made("one")
    departures.made("two")
    waiting = asyncio.create_task(departures.wait())
    departures.gone("one")
    await asyncio.sleep(0)
    assert departures.is_any
    assert not waiting.done()
    departures.gone("two")
    departures.gone("two")
    await waiting
    assert not departures.is_any


async def test_none_is_waited_for_longer_than_others_can_stand_back() -> None:
    """One that never goes (a slow disk, a stop that waits for another to go) holds nobody up."""
    departures = Departures()
    loop = asyncio.get_running_loop()
    began = loop.time()
    departures.made("one")
    await departures.wait()
    assert not departures.is_any
    assert loop.time() - began >= MOST_S / 2


async def test_nobody_stands_back_once_it_ends() -> None:
    """Whoever waits goes on, and what is made later is not waited for."""
    departures = Departures()
    departures.made("one")
    waiting = asyncio.create_task(departures.wait())
    await asyncio.sleep(0)
    departures.close()
    await waiting
    departures.made("two")
    assert not departures.is_any
