"""The user stream against the lab: keys that end, sockets that are cut, muted, spoilt and replaced."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.accounts.orders import Ask, Kind, Lasting
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Role
from perpscope.settings import Feed
from tests.acceptance.trader import LOT, Live, lab_of, suffers, trader

Eventually = Callable[..., Awaitable[None]]


async def resting(live: Live, eventually: Eventually) -> None:
    """A bid that rests, known to both sides."""
    live.exchange.submit(live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.02)))
    live.stop(-0.05)
    await eventually(lambda: len(live.account.opens("BTCUSDT")) == 1 and not live.exchange.orders.in_flight)


def fill(live: Live) -> None:
    """Somebody sells to it."""
    (order,) = live.account.opens("BTCUSDT")
    live.lab.accounts.matching.fill(live.account, order, order.price, order.left, is_maker=True)


async def test_a_key_that_expires_is_replaced_and_the_hole_closed(tmp_path: Path, eventually: Eventually) -> None:
    """The venue says that the key is no more: a new one, a new socket, and what was filled between. Keeps S2-59."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await resting(live, eventually)
        lab.private.listen_keys.expire(live.account)  # type: ignore[union-attr]  # Binance has a private side
        fill(live)
        await eventually(lambda: live.exchange.position == LOT)
        await eventually(lambda: live.stream.is_streaming and live.stream.keys == 2)
        assert len(live.desk.fills) == 1


async def test_a_key_another_client_deletes_is_found_at_its_renewal(tmp_path: Path, eventually: Eventually) -> None:
    """Nobody says a word; the next renewal does (-1125), and has a new key at once. Keeps S2-59."""
    async with lab_of() as lab, trader(lab, tmp_path, extend_every_s=0.3) as live:
        lab.private.listen_keys.close(live.account)  # type: ignore[union-attr]  # likewise
        await eventually(lambda: live.stream.keys == 2 and live.stream.is_streaming)
        live.buy()
        await eventually(lambda: live.exchange.position == LOT)


async def test_a_renewal_that_fails_keeps_the_stream(tmp_path: Path, eventually: Eventually) -> None:
    """An exchange that cannot renew the key just now is asked again; the socket stays."""
    async with lab_of() as lab, trader(lab, tmp_path, extend_every_s=0.2) as live:
        lab.accounts.suffer(Misfortune(Mishap.UNAVAILABLE, of="PUT /fapi/v1/listenKey"))
        lab.accounts.suffer(Misfortune(Mishap.LOST_REQUEST, of="PUT /fapi/v1/listenKey", times=4))
        await eventually(lambda: live.exchange.contact().errors >= 2)
        assert (live.stream.openings, live.stream.is_streaming) == (1, True)


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.CLOSE, FaultKind.CUT_MID_FRAME])
async def test_a_socket_that_ends_is_opened_again_and_compared(
    tmp_path: Path, eventually: Eventually, kind: FaultKind
) -> None:
    """However it ends, it is back soon, and what was filled meanwhile is told once. Keeps S2-59."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await resting(live, eventually)
        lab.suffer(FaultScript.of([Fault(kind, 0.0, target="path:private")]))
        await eventually(lambda: not live.stream.is_streaming or live.stream.openings > 1)
        fill(live)
        await eventually(lambda: live.exchange.position == LOT and live.stream.is_streaming)
        assert len(live.desk.fills) == 1


async def test_a_spoilt_frame_costs_itself(tmp_path: Path, eventually: Eventually) -> None:
    """Frames that cannot be read are counted, and what they held is asked for; the stream stays."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await resting(live, eventually)
        await suffers(lab, Fault(FaultKind.FLIP, 0.0, 1e6, target="topic:*@ORDER_TRADE_UPDATE"), seed=4)
        fill(live)
        await eventually(lambda: live.exchange.position == LOT)
        assert len(live.desk.fills) == 1


async def test_too_many_spoilt_frames_end_the_socket(tmp_path: Path, eventually: Eventually) -> None:
    """A socket on which nothing can be read is given up for another."""
    feed = Feed(backoff_first_s=0.1, backoff_max_s=0.2, max_bad_frames_per_minute=3)
    async with lab_of() as lab, trader(lab, tmp_path, feed=feed) as live:
        await suffers(lab, Fault(FaultKind.FLIP, 0.0, 1e6, target="topic:*@ORDER_TRADE_UPDATE"), seed=2)
        for number in range(40):
            ask = Ask(
                symbol="BTCUSDT",
                side=Side.BUY,
                kind=Kind.LIMIT,
                size=LOT,
                price=live.price(-0.03),
                lasting=Lasting.GTC,
                client_id=f"web_{number}",
            )
            lab.accounts.matching.place(live.account, ask)
        await eventually(lambda: live.stream.counts.rejected > 3)
        await eventually(lambda: live.stream.openings > 1)


async def test_a_socket_is_replaced_before_its_age_without_a_hole(tmp_path: Path, eventually: Eventually) -> None:
    """The next socket is open before the last is closed: a fill is told, once, whenever it comes."""
    feed = Feed(backoff_first_s=0.1, backoff_max_s=0.2, rotate_after_s=0.3)
    async with lab_of() as lab, trader(lab, tmp_path, feed=feed) as live:
        await resting(live, eventually)
        await eventually(lambda: live.stream.openings == 2)
        fill(live)
        await eventually(lambda: live.exchange.position == LOT)
        await eventually(lambda: live.stream.openings >= 3)
        assert (len(live.desk.fills), live.stream.last_error) == (1, None)


async def test_an_exchange_that_gives_no_key_is_asked_again(tmp_path: Path, eventually: Eventually) -> None:
    """Without a key there is no stream: asked with growing pauses, until there is one."""
    async with lab_of() as lab, trader(lab, tmp_path, is_started=False) as live:
        lab.accounts.suffer(Misfortune(Mishap.UNAVAILABLE, of="POST /fapi/v1/listenKey", times=2))
        resumed = await live.start()
        assert resumed.position == 0
        assert live.stream.is_streaming
        await eventually(lambda: live.stream.openings == 1)
