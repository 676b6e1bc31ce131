"""`./check bench`: every figure with its floor or peer, in one run; a missed goal is told and makes the exit code 1."""

import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bench_agents
import bench_archive
import bench_book
import bench_bus
import bench_crowd
import bench_dashboard
import bench_http
import bench_latency
import bench_load
import bench_peers
import bench_push
import bench_saturation
import bench_start
import bench_store
import bench_upkeep
import bench_venues
import bench_wire


def _map() -> bool:
    """The last: numba and pandas fill the process, which the others are measured in."""
    import bench_map  # noqa: PLC0415

    return bench_map.map_()


def _backtest() -> bool:
    """Beside the map, for the same reason."""
    import bench_backtest  # noqa: PLC0415

    return bench_backtest.backtest()


def _trade() -> bool:
    """As the two before."""
    import bench_trade  # noqa: PLC0415

    return bench_trade.trade()


def main() -> int:
    """Run every bench, or those named on the command line."""
    benches = {
        "handler": bench_wire.handler,
        "venues": bench_venues.venues,
        "peers": bench_peers.peers,
        "socket": bench_wire.socket,
        "book": bench_book.book,
        "store": bench_store.store,
        "upkeep": bench_upkeep.upkeep,
        "bus": bench_bus.bus,
        "push": bench_push.push,
        "archive": bench_archive.archive,
        "latency": bench_latency.latency,
        "agents": bench_agents.agents,
        "crowd": bench_crowd.crowd,
        "load": bench_load.load,
        "saturation": bench_saturation.saturation,
        "http": bench_http.http,
        "dashboard": bench_dashboard.dashboard,
        "help": bench_start.help_text,
        "map": _map,
        "backtest": _backtest,
        "trade": _trade,
    }
    wanted = sys.argv[1:] or list(benches)
    load = os.getloadavg()[0]
    machine = f"Python {platform.python_version()}, {os.cpu_count()} processors, load {load:.1f}"
    print(f"{machine}; medians of interleaved rounds")
    met = [benches[name]() for name in wanted]
    print(f"\n{sum(met)} of {len(met)} goals met")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
