"""What goes wrong on connections and in frames, drawn from a seed, on each venue; the lab's ledger is the judge.

RELIABILITY A1-A4, A6-A10, A12-A14, A16. `-s` prints, fault by fault: when it was found, when repaired, what was lost.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from perpscope.app import venues
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.lab.proxy import FaultProxy

from .suffering import BOOKS, QUICK, TRADES, suffer

ENDS = (FaultKind.CUT, FaultKind.CUT_MID_FRAME, FaultKind.CLOSE, FaultKind.IGNORE, FaultKind.REFUSE)
SILENCES = (FaultKind.MUTE, FaultKind.MISROUTE, FaultKind.STALL)
LATE = (FaultKind.DELAY, FaultKind.REORDER, FaultKind.DUPLICATE, FaultKind.SNAPSHOT_AGAIN)
SPOILT = (FaultKind.NOISE, FaultKind.FLIP, FaultKind.OVERSIZE)
OF_BOOKS = (FaultKind.DROP, FaultKind.RENUMBER)
MIXED = (*ENDS, *SILENCES, *LATE, *SPOILT, *OF_BOOKS, FaultKind.REFUSE_TOPIC, FaultKind.SECONDS)

#: Ends no connection for silence: ten programs in one process may stand still for longer than `QUICK` waits.
PATIENT = msgspec.structs.replace(QUICK, silent_after_s=60.0, ack_timeout_s=60.0)

#: What falls silent so that it has to be found within the script: at this pace bars alone are given six market minutes.
MUTED = {"okx": "path:public"}


def mixed(seed: int, venue: str, count: int) -> FaultScript:
    """Faults of every kind on one venue: those that lose frames lose those of books, which are numbered."""
    targets: dict[FaultKind, Sequence[str]] = dict.fromkeys(OF_BOOKS, (BOOKS[venue],))
    targets[FaultKind.REFUSE_TOPIC] = (TRADES[venue],)
    targets[FaultKind.MUTE] = (MUTED.get(venue, ""),)
    return FaultScript.seeded(
        seed, venue, MIXED, first_s=5.0, count=count, for_s=(8.0, 15.0), calm_s=(15.0, 30.0), targets=targets
    )


#: Venues whose mixed script is everyday; those of the others are soak.
_DAILY = ("binance", "okx", "hyperliquid")


@pytest.fixture(params=venues.names())
def name(request: pytest.FixtureRequest) -> str:
    """Each venue in turn."""
    return str(request.param)


@pytest.mark.parametrize(
    "name",
    [name if name in _DAILY else pytest.param(name, marks=pytest.mark.soak) for name in venues.names()],
    indirect=True,
)
async def test_a_mixed_script_leaves_nothing_silently_missing(name: str, tmp_path: Path) -> None:
    """Some faults of any kind: every event stored once or inside a recorded gap. Keeps S1-03, S2-41."""
    verdict, collector = await suffer(name, mixed(len(name), name, 3), tmp_path)
    print(f"\n{verdict.table()}")
    assert verdict.meant > 200
    assert verdict.is_clean, verdict
    assert not collector.unreadable_at_end


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", [1, 6, 11, 16])
async def test_a_hundred_scripts_leave_nothing_silently_missing(name: str, tmp_path: Path, first: int) -> None:
    """Twenty seeds on each venue, every kind of fault in each: nothing unexplained in any."""
    for seed in range(first, first + 5):
        verdict, collector = await suffer(name, mixed(seed, name, len(MIXED)), tmp_path, seed=seed)
        print(f"\nseed {seed}\n{verdict.table()}")
        assert verdict.is_clean, (seed, verdict)
        assert not collector.unreadable_at_end, seed


def five(*faults: Fault) -> list[FaultScript]:
    """The same faults for each venue in turn, those of trades meaning its own name of them."""
    return [
        FaultScript.of(
            msgspec.structs.replace(fault, venue=name, target=TRADES[name] if fault.target else "") for fault in faults
        )
        for name in venues.names()
    ]


async def test_a_time_that_cannot_be_true_is_set_aside(tmp_path: Path) -> None:
    """An hour ahead, then in seconds: counted as rejected, never stored as good, the stretch a gap, on every venue.

    A venue whose clock is 1.3 s ahead of ours, as in a recording of 2024, loses nothing. RELIABILITY A16.
    """
    scripts = five(
        Fault(FaultKind.SHIFT_TIMES, 2.0, 15.0, target="trades", amount=1.3),
        Fault(FaultKind.SHIFT_TIMES, 20.0, 8.0, amount=3600.0),
        Fault(FaultKind.SECONDS, 40.0, 8.0),
    )
    found = await asyncio.gather(
        *(suffer(name, script, tmp_path, rate=10.0) for name, script in zip(venues.names(), scripts, strict=True))
    )
    for verdict, collector in found:
        print(f"\n{verdict.table()}")
        assert verdict.is_clean, verdict
        ahead, *absurd = verdict.rows
        assert ahead.fault.hit > 0
        assert ahead.lost == 0
        assert any(row.fault.hit > 0 for row in absurd)
        assert all(row.lost > 0 for row in absurd if row.fault.hit)
        assert {cause.partition(":")[2] for cause in verdict.causes} >= {"bad-frames"}
        assert all(abs(trade.ts_event - trade.ts_recv) < 60 * 10**9 for trade in collector.trades)


async def test_a_message_too_long_ends_the_connection_alone(tmp_path: Path) -> None:
    """300 kB is a frame nobody reads; 5 MB is over the limit and ends the connection: a new one goes on. A14."""
    scripts = five(Fault(FaultKind.OVERSIZE, 2.0, amount=300_000), Fault(FaultKind.OVERSIZE, 22.0, amount=5_000_000))
    found = await asyncio.gather(
        *(
            suffer(name, script, tmp_path, rate=10.0, feed=PATIENT)
            for name, script in zip(venues.names(), scripts, strict=True)
        )
    )
    for verdict, collector in found:
        print(f"\n{verdict.table()}")
        assert verdict.is_clean, verdict
        short, long = verdict.rows
        assert (short.fault.hit, long.fault.hit) == (1, 1)
        assert short.found_s is None
        assert long.found_s is not None
        assert verdict.causes["trades:disconnect"] > 0
        assert not collector.unreadable_at_end


async def bad_line(proxy: FaultProxy) -> None:
    """A line that falls behind by seconds and is reset with all that is on its way; RST within a frame; latency."""
    proxy.line.bytes_per_s = 20_000.0
    await asyncio.sleep(1.5)
    proxy.reset()
    proxy.line.bytes_per_s = 0.0
    await asyncio.sleep(1.0)
    proxy.line.cut_after = 500
    await asyncio.sleep(0.5)
    proxy.line.cut_after = None
    proxy.line.latency_s = 0.3
    await asyncio.sleep(1.0)
    proxy.reset()
    await asyncio.sleep(1.0)
    proxy.line.latency_s = 0.0


async def test_a_bad_line_loses_nothing_unsaid(tmp_path: Path) -> None:
    """Slow, reset, cut within a frame, late, on every venue: what came late is stored, the rest a gap. A4, A11."""
    none = FaultScript(())
    found = await asyncio.gather(*(suffer(name, none, tmp_path, rate=10.0, line=bad_line) for name in venues.names()))
    for verdict, collector in found:
        print(f"\n{verdict.table()}")
        assert verdict.is_clean, verdict
        assert verdict.causes["trades:disconnect"] > 0
        assert not collector.unreadable_at_end
