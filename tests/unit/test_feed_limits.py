"""The request budget on hand-moved time: who goes when, what a refusal does, and what becomes of a spoilt file."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from perpscope.errors import RateLimited
from perpscope.feeds import bans, budget, budget_page, governor, limits
from perpscope.feeds.bans import BanNote, state_folder
from perpscope.feeds.budget_page import OwnCells, Page, SharedCells, budget_file, own_folder, throw_out_forgotten
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.governor import Governor
from perpscope.feeds.limits import PacedConnector, closed_until, open_governor
from perpscope.feeds.rest import RestClient
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports import OnFrame, Socket
from perpscope.venues.binance import VENUE as BINANCE
from perpscope.venues.bitget import VENUE as BITGET
from perpscope.venues.okx import VENUE as OKX

START_S = 1_800_000_000.0
USED = "x-mbx-used-weight-1m"


class HandTime:
    """Monotonic and real time as the budget sees them, moved by its own naps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100_000.0
        self.wall_s = START_S
        self.naps: list[float] = []
        self.meanwhile: Callable[[], None] | None = None
        asyncio_like = SimpleNamespace(sleep=self._sleep, Lock=asyncio.Lock, CancelledError=asyncio.CancelledError)
        for module in (governor, bans):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(governor, "asyncio", asyncio_like)
        monkeypatch.setattr(governor, "random", SimpleNamespace(uniform=lambda low, _high: low))
        for module in (governor, bans, budget):
            monkeypatch.setattr(module, "wall_ns", lambda: int(self.wall_s * 1e9))

    async def _sleep(self, seconds: float) -> None:
        self.naps.append(round(seconds, 6))
        self.pass_s(seconds + 1e-6)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds
        self.wall_s += seconds


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> HandTime:
    """Time that only the test moves."""
    return HandTime(monkeypatch)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the log is told, in order."""
    said: list[str] = []
    log = SimpleNamespace(warning=lambda what, **_: said.append(what))
    for module in (governor, budget_page, limits):
        monkeypatch.setattr(module, "_log", log)
    return said


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The session folder of a user, and a home."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "perpscope"


def asking(weight: int, urgency: Urgency = Urgency.ORDER, path: str = "/fapi/v1/depth") -> HttpRequest:
    """A request of this weight."""
    return HttpRequest(path=path, weight=weight, urgency=urgency)


def eighty() -> Governor:
    """A budget of one a second, and twenty at once."""
    return Governor("binance", 80.0)


async def test_weight_is_spent_at_once_and_refills_evenly(hand: HandTime) -> None:
    """A burst is free, then each call waits for its weight; never more than a burst is saved up. Keeps S1-63."""
    limiter = eighty()
    await limiter.take(asking(20))
    assert hand.naps == []
    await limiter.take(asking(5))
    assert hand.naps == [5.0]
    hand.pass_s(1000)
    await limiter.take(asking(20))
    await limiter.take(asking(1))
    assert hand.naps == pytest.approx([5.0, 1.0], abs=1e-4)


async def test_no_minute_sees_more_than_its_weight(hand: HandTime) -> None:
    """Burst and refill together: whichever 60 seconds are looked at, no more than `per_minute` is spent. Keeps B14."""
    limiter, spent = eighty(), list[float]()
    hand.pass_s(500)
    while hand.now_s < 101_500:
        await limiter.take(asking(1))
        spent.append(hand.now_s)
    most = max(sum(at <= other < at + 60.0 for other in spent) for at in spent)
    assert 78 <= most <= 80


async def test_a_weight_over_the_burst_is_owed(hand: HandTime) -> None:
    """A call dearer than the burst goes out when the budget is full, and the next one pays."""
    limiter = eighty()
    await limiter.take(asking(40))
    assert hand.naps == []
    await limiter.take(asking(1))
    assert hand.naps == [21.0]


@pytest.mark.parametrize(("urgency", "at_once"), [(Urgency.ORDER, 20), (Urgency.DATA, 18), (Urgency.PAST, 11)])
async def test_the_less_urgent_leave_some_to_the_more_urgent(hand: HandTime, urgency: Urgency, at_once: int) -> None:
    """Two of twenty are for orders alone, a third of the rest and more for what happens now. Keeps B14."""
    limiter = eighty()
    for _ in range(at_once):
        await limiter.take(asking(1, urgency))
    assert hand.naps == []
    await limiter.take(asking(1, urgency))
    assert len(hand.naps) == 1


async def test_nobody_overtakes_an_order_that_waits(hand: HandTime) -> None:
    """Data and the past wait while an order does, on any process; a dead one's claim lapses. Keeps B14."""
    page = Page(OwnCells())
    orders, data = Governor("binance", 80.0, page=page), Governor("binance", 80.0, page=page)
    await orders.take(asking(20))
    wait_s, _ = orders._try(orders._charges(asking(10)), 0, 77.0)
    assert wait_s == 10.0
    hand.pass_s(9.9)  # 9.9 are free, of which data may have 7.9
    await data.take(asking(5, Urgency.DATA))
    assert hand.naps[0] == pytest.approx(0.1, abs=1e-3)
    assert sum(hand.naps) == pytest.approx(0.35, abs=0.02)  # the one who claimed 10 never came


async def test_a_dear_call_is_not_starved_by_cheap_ones(hand: HandTime) -> None:
    """Whoever waits longest has the next turn of his urgency. Keeps B14."""
    page = Page(OwnCells())
    dear, cheap = Governor("binance", 80.0, page=page), Governor("binance", 80.0, page=page)
    await cheap.take(asking(18, Urgency.DATA))
    charges = dear._charges(asking(15, Urgency.DATA))
    wait_s, _ = dear._try(charges, 1, 5.0)
    hand.pass_s(wait_s / 2)
    assert cheap._try(cheap._charges(asking(1, Urgency.DATA)), 1, 6.0)[0] == pytest.approx(wait_s / 2)
    hand.pass_s(wait_s / 2)
    assert dear._try(charges, 1, 5.0)[0] == 0.0


async def test_who_gives_up_waiting_gives_up_his_turn() -> None:
    """A cancelled call leaves no claim behind."""
    page = Page(OwnCells())
    limiter = Governor("binance", 80.0, page=page)
    await limiter.take(asking(20))
    waiting = asyncio.ensure_future(limiter.take(asking(20)))
    await asyncio.sleep(0)
    assert page.slot(0).claims[0].by
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not page.slot(0).claims[0].by


# the venue's own counts ----------------------------------------------------------------------------------------------


async def test_what_others_spend_is_taken_off_our_budget(hand: HandTime) -> None:
    """The headers tell what all have used: what is not ours is owed by us too. Keeps B14."""
    limiter = Governor("binance", 80.0, metered=BINANCE)
    granted = await limiter.take(asking(5))
    assert limiter.hear(200, {USED: "15"}, b"{}", granted) is None
    assert limiter.used_weight == 15.0
    await limiter.take(asking(10))
    assert sum(hand.naps) == pytest.approx(5.0, abs=0.01)  # 5 ours, 10 theirs, 10 wanted: of 20
    granted = await limiter.take(asking(1))
    limiter.hear(200, {USED: "26"}, b"{}", granted)  # what was known already
    await limiter.take(asking(1))
    assert sum(hand.naps) == pytest.approx(7.0, abs=0.01)


async def test_a_new_minute_of_the_venue_begins_with_nothing_used(hand: HandTime) -> None:
    """The figure falls, or a minute is over: what was spent before it counts no more, ours as little as theirs."""
    limiter = Governor("binance", 80.0, metered=BINANCE)
    limiter.hear(200, {USED: "20"}, b"{}", await limiter.take(asking(20)))
    hand.pass_s(40)
    limiter.hear(200, {USED: "1"}, b"{}", await limiter.take(asking(1)))
    await limiter.take(asking(19))
    assert hand.naps == []


async def test_a_path_with_a_count_of_its_own_is_paced_by_it(hand: HandTime) -> None:
    """Bitget's ratios are asked once a second at most, from the first call on, and others do not wait. Keeps B14."""
    limiter = Governor("bitget", 4800.0, metered=BITGET)
    for _ in range(4):
        await limiter.take(asking(80, Urgency.DATA, "/api/v3/market/futures-long-short"))
    assert hand.naps == pytest.approx([1.25, 1.25, 1.25], abs=1e-3)
    await limiter.take(asking(4, Urgency.DATA, "/api/v3/market/tickers"))
    assert len(hand.naps) == 3


async def test_a_call_counts_until_a_second_after_its_answer(hand: HandTime) -> None:
    """It may have come to the venue just before: spaced calls on a slow way arrive together. Keeps B14."""
    limiter = Governor("bitget", 4800.0, metered=BITGET)
    ratio = asking(1, Urgency.DATA, "/api/v3/market/futures-long-short")
    async with limiter.leave(ratio):
        hand.pass_s(3.0)
    await limiter.take(ratio)
    assert hand.naps == [1.0]


async def test_nothing_goes_while_all_that_may_are_on_their_way(hand: HandTime) -> None:
    """Who waits for an answer looks again soon, and then waits out the second after it. Keeps B14."""
    limiter = Governor("bitget", 4800.0, metered=BITGET)
    ratio = asking(1, Urgency.DATA, "/api/v3/market/futures-long-short")
    charges = limiter._charges(ratio)
    await limiter.take(ratio)
    limiter._under_way.begin(charges)
    hand.pass_s(5.0)
    hand.meanwhile = lambda: limiter._under_way.end(charges, hand.now_s)
    await limiter.take(ratio)
    assert hand.naps == [budget.JITTER_S, 1.0]


async def test_a_path_of_okx_is_counted_for_each_instrument(hand: HandTime) -> None:
    """Five calls in two seconds, per instrument: another one's do not wait."""
    limiter = Governor("okx", 240.0, metered=OKX)
    path = "/api/v5/rubik/stat/taker-volume-contract"
    for symbol in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
        await limiter.take(HttpRequest(path=path, params=(("instId", symbol),)))
    assert hand.naps == []
    await limiter.take(HttpRequest(path=path, params=(("instId", "ETH-USDT-SWAP"),)))
    assert hand.naps == [0.5]


# the door ------------------------------------------------------------------------------------------------------------


async def test_a_refusal_binds_everybody_at_once(hand: HandTime) -> None:
    """Who waits already, and who comes later: told until when, not held for days. Keeps B14."""
    page = Page(OwnCells())
    one, other = Governor("binance", 80.0, page=page), Governor("binance", 80.0, page=page)
    await one.take(asking(20))
    hand.meanwhile = lambda: print(one.hear(418, {"retry-after": "259200"}, b'{"code":-1003}', None))
    for limiter in (other, one):
        with pytest.raises(RateLimited, match=r"before 2027-01-18 08:00:0\d UTC: binance answered 418") as caught:
            await limiter.take(asking(1))
        assert caught.value.retry_after_s == 259200.0
    closed = other.closed
    assert closed is not None
    assert closed.until_ns == pytest.approx((START_S + 259201) * 1e9, abs=1e8)
    hand.pass_s(259200.1)
    assert other.closed is None
    await other.take(asking(1))


async def test_a_short_refusal_is_waited_for(hand: HandTime) -> None:
    """Some seconds are waited, then orders go first: the budget begins empty but for them. Keeps B14."""
    limiter = eighty()
    assert limiter.hear(429, {"retry-after": "3"}, b"", None) == 3.0
    await limiter.take(asking(2))
    assert hand.naps == pytest.approx([3.0], abs=1e-3)
    await limiter.take(asking(1, Urgency.DATA))
    assert sum(hand.naps) > 5.0


async def test_who_is_refused_again_waits_twice_as_long(hand: HandTime) -> None:
    """A venue that does not say how long is left alone for longer each time; replies under way count once."""
    limiter = Governor("hyperliquid", 80.0)
    assert limiter.hear(429, {}, b"null", None) == 10.0
    assert limiter.hear(429, {}, b"null", None) == 10.0
    waits = []
    for _ in range(7):
        hand.pass_s(limiter._door.closed_until - hand.now_s + 0.5)
        waits.append(limiter.hear(429, {}, b"null", None))
    assert waits == [20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    hand.pass_s(300 + 61)
    assert limiter.hear(429, {}, b"null", None) == 10.0


async def test_a_ban_is_not_forgotten_when_the_machine_starts_anew(hand: HandTime, tmp_path: Path) -> None:
    """The session folder is emptied, the monotonic clock begins again: the note says until when. Keeps B14."""
    note = BanNote(tmp_path / "state" / "binance.ban")
    Governor("binance", 80.0, note=note).hear(418, {"retry-after": "3600"}, b"", None)
    hand.now_s, hand.wall_s = 5.0, START_S + 600
    limiter = Governor("binance", 80.0, note=note)
    with pytest.raises(RateLimited) as caught:
        await limiter.take(asking(1))
    assert caught.value.retry_after_s == 3000.0
    hand.wall_s = START_S - 86_400  # the clock was wrong by a day: the ban is no longer than it was
    with pytest.raises(RateLimited) as caught:
        await Governor("binance", 80.0, note=note).take(asking(1))
    assert caught.value.retry_after_s == 3600.0
    hand.wall_s = START_S + 3600.5
    await Governor("binance", 80.0, note=note).take(asking(1))


async def test_a_clock_set_back_makes_no_ban_longer(hand: HandTime, tmp_path: Path) -> None:
    """Within one start of the machine the monotonic clock decides, and a ban that is over stays over."""
    page, note = Page(OwnCells()), BanNote(tmp_path / "binance.ban")
    limiter = Governor("binance", 80.0, page=page, note=note)
    limiter.shut(100.0, "banned")
    hand.pass_s(100.1)
    hand.wall_s -= 3600
    await Governor("binance", 80.0, page=page, note=note).take(asking(1))


async def test_who_is_told_of_a_ban_leaves_no_claim_behind(hand: HandTime) -> None:
    """After the ban nobody waits for one who has given up."""
    page = Page(OwnCells())
    limiter = Governor("binance", 80.0, page=page)
    await limiter.take(asking(40))
    hand.meanwhile = lambda: print(limiter.shut(6.0, "banned"))
    with pytest.raises(RateLimited):
        await limiter.take(asking(20))
    assert not page.slot(0).claims[0].by


# the page ------------------------------------------------------------------------------------------------------------


def shared(path: Path) -> Governor:
    """A budget in a file."""
    return Governor("binance", 80.0, page=Page(SharedCells(path)))


async def test_all_who_ask_the_same_host_share_one_budget(hand: HandTime, folder: Path) -> None:
    """What one spends the other misses; another way out is another address, and a lab nobody's. Keeps B14."""
    one = open_governor(BINANCE, "https://fapi.binance.com", 80.0)
    two = open_governor(BINANCE, "https://fapi.binance.com", 80.0)
    await one.take(asking(20))
    await two.take(asking(1))
    assert hand.naps == [1.0]
    proxied = open_governor(BINANCE, "https://fapi.binance.com", 80.0, way_out="http://me:secret@10.0.0.1:1")
    lab = open_governor(BINANCE, "http://127.0.0.1:8000", 80.0)
    for other in (proxied, lab):
        await other.take(asking(20))
    assert hand.naps == [1.0]
    assert [one.is_shared, proxied.is_shared, lab.is_shared] == [True, True, False]
    assert len(list(folder.iterdir())) == 2
    assert not any("secret" in path.name for path in folder.iterdir())
    assert oct(folder.stat().st_mode)[-3:] == "700"


async def test_anybody_can_look_until_when_a_venue_is_shut(folder: Path) -> None:
    """Another process sees it without asking, or making anything. Keeps B14."""
    url = "https://fapi.binance.com"
    assert closed_until("binance", url) is None
    assert not folder.exists()
    limiter = open_governor(BINANCE, url, 80.0)
    assert closed_until("binance", url) is None
    limiter.shut(3600.0, "binance answered 418: banned")
    closed = closed_until("binance", url)
    assert closed is not None
    assert "banned" in str(closed)
    assert closed_until("binance", url, way_out="http://10.0.0.1:1") is None


async def test_a_ban_can_be_seen_after_the_machine_has_started_anew(folder: Path) -> None:
    """Keeps B14. The session's folder is empty then, and the note is all there is; a ban that is over is not told."""
    url = "https://fapi.binance.com"
    open_governor(BINANCE, url, 80.0).shut(3600.0, "binance answered 418: banned")
    for page in folder.iterdir():
        page.unlink()
    closed = closed_until("binance", url)
    assert closed is not None
    assert closed.until_ns == pytest.approx(wall_ns() + 3600 * 10**9, abs=60 * 10**9)
    assert not list(folder.iterdir())
    (note,) = state_folder().iterdir()
    note.write_bytes(note.read_bytes().replace(b'"until_wall_s":1', b'"until_wall_s":0'))
    assert closed_until("binance", url) is None


async def test_a_torn_file_is_begun_anew(hand: HandTime, tmp_path: Path, warnings: list[str]) -> None:
    """Garbage costs a budget its memory, and nobody his turn; the log says so."""
    path = tmp_path / "b"
    await shared(path).take(asking(20))
    whole = path.read_bytes()
    for spoilt in (b"", b"x", os.urandom(len(whole)), whole[:300] + b"\xff" * 9 + whole[309:]):
        path.write_bytes(spoilt)
        limiter = shared(path)
        await limiter.take(asking(20))
        assert limiter.is_shared
    assert hand.naps == []
    assert set(warnings) == {"request budget was damaged; that record is begun anew"}


async def test_a_file_of_another_clock_is_begun_anew(hand: HandTime, tmp_path: Path) -> None:
    """Times that lie hours ahead are of an earlier start of the machine, or of a clock that stood still."""
    path = tmp_path / "b"
    limiter = shared(path)
    await limiter.take(asking(20))
    limiter.shut(50.0, "refused")
    hand.now_s -= 900.0
    hand.wall_s += 60.0
    hand.pass_s(0.0)
    assert shared(path).closed is None
    hand.now_s -= 20_000.0
    await shared(path).take(asking(20))
    assert hand.naps == []


async def test_a_removed_file_is_made_again_for_all(hand: HandTime, tmp_path: Path) -> None:
    """Whoever has the old one open notices, and shares the new one."""
    path = tmp_path / "b"
    one, two = shared(path), shared(path)
    path.unlink()
    await one.take(asking(20))
    await two.take(asking(1))
    assert hand.naps == [1.0]


@pytest.mark.usefixtures("hand")
async def test_a_page_that_fails_is_replaced_by_ones_own(
    tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the sharing, said once, and not the door that was seen shut."""
    limiter = shared(tmp_path / "b")

    def full(_file: int, _data: bytes, _at: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for _ in range(3):
        await limiter.take(asking(1))
    assert not limiter.is_shared
    limiter.shut(60.0, "banned")
    with pytest.raises(RateLimited):
        await limiter.take(asking(1))
    assert warnings.count("request budget is not shared with other processes") == 1


async def test_a_lock_that_is_never_free_is_given_up(
    tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped while it held the lock stops nobody else for longer than a few seconds."""
    monkeypatch.setattr(governor, "_BUSY_TRIES", 20)
    path = tmp_path / "b"
    limiter = shared(path)
    cells = SharedCells(path)
    cells.lock()
    assert limiter.closed is None
    await limiter.take(asking(1))
    assert not limiter.is_shared
    assert warnings == ["request budget is not shared with other processes"]
    cells.unlock()


@pytest.mark.parametrize("spoil", ["foreign", "open", "file", "link"])
async def test_a_folder_that_is_not_ours_alone_is_refused(
    folder: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    """Somebody else could read or rewrite what we asked: the budget stays in this process, and the log says why."""
    if spoil == "foreign":
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    elif spoil == "file":
        folder.write_bytes(b"")
    elif spoil == "link":
        (folder.parent / "real").mkdir()
        folder.symlink_to(folder.parent / "real")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    limiter = open_governor(BINANCE, "https://fapi.binance.com", 80.0)
    assert not limiter.is_shared
    await limiter.take(asking(1))
    assert warnings == ["request budget is not shared with other processes"]


def test_the_folder_is_of_the_session_or_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, else the session's, else one in the temporary folder with the user's number."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert limits._folder("/x") == Path("/x")
    assert limits._folder("") == tmp_path / "perpscope"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    assert limits._folder("").name == f"perpscope-{os.geteuid()}"


def test_what_nobody_has_touched_for_days_is_thrown_out(tmp_path: Path) -> None:
    """Labs and proxies come and go; their budgets do not pile up."""
    old, fresh = (budget_file(own_folder(tmp_path), "binance", host, "") for host in ("old", "fresh"))
    for path in (old, fresh):
        path.write_bytes(b"")
    os.utime(old, (START_S - 400_000, START_S - 400_000))
    os.utime(fresh, (START_S - 300_000, START_S - 300_000))
    throw_out_forgotten(tmp_path, START_S)
    assert [path.exists() for path in (old, fresh)] == [False, True]


# connections ---------------------------------------------------------------------------------------------------------


async def test_connections_are_opened_so_many_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """OKX takes three a second: tries wait their turn, those that failed before them included."""
    now, opened = [100.0], list[float]()

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    async def refuse(url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        opened.append(now[0])
        raise OSError(url, on_frame, on_burst)

    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(limits, "asyncio", SimpleNamespace(sleep=sleep, Lock=asyncio.Lock))
    connect = PacedConnector(refuse, 0.4)
    for _ in range(3):
        with pytest.raises(OSError, match="ws://x"):
            await connect("ws://x", lambda _raw, _ts: None, lambda: None)
    assert opened == pytest.approx([100.0, 100.4, 100.8])


async def test_connections_of_all_processes_are_counted_together(hand: HandTime, folder: Path) -> None:
    """Some at once, then four every five seconds: 300 in 5 minutes and address. A ban of REST is none of it."""
    url, opened = "https://fapi.binance.com", list[float]()
    clients = [RestClient("binance", url, open_governor(BINANCE, url, 80.0)) for _ in range(2)]

    async def connect(url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        opened.append(hand.now_s)
        raise OSError(url, on_frame, on_burst)

    clients[0].governor.shut(3600.0, "banned")
    for number in range(32):
        paced = PacedConnector(connect, 0.0, clients[number % 2])
        with pytest.raises(OSError, match="ws://x"):
            await paced("ws://x", lambda _raw, _ts: None, lambda: None)
    assert sum(at == opened[0] for at in opened) == 27  # of thirty, a tenth is kept for what is more urgent
    assert [round(at - opened[0], 2) for at in opened[27:]] == [1.25, 2.5, 3.75, 5.0, 6.25]
    for client in clients:
        await client.__aexit__(None, None, None)
    assert folder.exists()
