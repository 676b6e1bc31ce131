"""`study verify-snapshots`: whether the maps that were published are still what was published."""

import sys
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from perpscope.app.study.snapshots import Verified
    from perpscope.stores.snapshot_check import ChainTold

_MOST_FAULTS = 10  #: of a chain that people are shown


def verify_snapshots(
    symbol: Annotated[str | None, typer.Argument(help="Coin; default: all whose maps are kept.")] = None,
    contains: Annotated[
        str | None, typer.Option("--contains", help="A hash that the chain once had; fails if it has not.")
    ] = None,
    recompute: Annotated[
        int, typer.Option("--recompute", min=0, help="Make so many of each chain anew from the database, and compare.")
    ] = 0,
    share: Annotated[
        str | None, typer.Option("--share", help="Verify what instances share there: a folder, gs:// or s3:// URL.")
    ] = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Prove that no published map was changed since."""
    from perpscope.app.study.snapshots import verify_shared
    from perpscope.app.study.snapshots import verify_snapshots as verify
    from perpscope.errors import ConfigError

    loaded = settings(config=config, db=db)
    if share is not None and recompute:
        hint = "leave one of them out"
        raise ConfigError("option-value", "--recompute makes maps anew from a database, --share reads none", hint=hint)
    if share is not None:
        found = verify_shared(share, symbol, contains=contains)
    else:
        found = verify(database(loaded), symbol, contains=contains, sample=recompute)
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print_verified(found, sys.stdout)
    if not found.ok:
        raise typer.Exit(1)


def print_verified(found: "Verified", out: TextIO) -> None:
    """Print each chain in a line, what is wrong with it, and what was made anew."""
    from perpscope.reports.numerals import moment

    for chain in found.chains:
        _print_chain(chain, out)
    for one in found.remade:
        when = moment(one.ts_ms, "%Y-%m-%d %H:%M")
        far = "" if not one.difference else f", off by {one.difference:.2%} of the largest bin"
        reason = f": {one.what}" if one.what else ""
        print(f"{one.symbol:<8} row {one.row:,} of {when} made anew: {one.outcome}{far}{reason}", file=out)
    print("every map is what was published" if found.ok else "NOT what was published", file=out)


def _print_chain(chain: "ChainTold", out: TextIO) -> None:
    from perpscope.reports.numerals import moment, short

    span = "nothing in it"
    if chain.from_ms is not None and chain.to_ms is not None:
        span = f"{moment(chain.from_ms, '%Y-%m-%d %H:%M')} – {moment(chain.to_ms, '%Y-%m-%d %H:%M')} UTC"
    gone = f", {chain.dropped:,} let go" if chain.dropped else ""
    state = "ok" if chain.ok else f"BROKEN, {len(chain.faults):,} faults"
    print(f"{chain.folder:<8} {state} · {chain.maps:,} maps{gone}, {short(chain.bytes)}B · {span}", file=out)
    for fault in chain.faults[:_MOST_FAULTS]:
        when = "" if fault.ts_ms is None else f" ({moment(fault.ts_ms, '%Y-%m-%d %H:%M')})"
        print(f"  {fault.kind}: {fault.what}{when} · {fault.file}", file=out)
    if (more := len(chain.faults) - _MOST_FAULTS) > 0:
        print(f"  and {more:,} more; --json lists all", file=out)
    if chain.head is not None:
        print(f"  head {chain.head}", file=out)
