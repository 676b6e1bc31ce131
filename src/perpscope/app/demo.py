"""The demo: five venues of one generated market, in a process of its own, collected over real WebSockets.

It opens with days that are in the store already (`demo_past`); from there on the lab's market goes on, and the heart
follows its clock, so that a market hour passes in a minute at 60×. The rows go to a database of kind "demo", never to
the real one. Whatever ends it, nothing but that database is left.
"""

import asyncio
import math
import os
import shlex
import tempfile
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import msgspec
from msgspec.structs import replace

from perpscope.app import demo_past, lab_process, places
from perpscope.app.collect import Collector
from perpscope.app.lab_process import Address
from perpscope.app.symbols import EVERYTHING, resolve
from perpscope.errors import ConfigError, StoreError
from perpscope.feeds.clock import SECOND_NS, wall_ns
from perpscope.lab.agents.past import Making, Past, save
from perpscope.lab.dialect import VENUES, dialect
from perpscope.lab.symbols import CONTRACTS
from perpscope.settings import Ccxt, Settings
from perpscope.stores.access import check_writable
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import StoreKind

BASES = ("BTC", "ETH", "SOL")  #: what is traded in any demo
DECIDES = "burst"  #: the strategy that thinks aloud in a demo, where the configuration names none
MOST_DAYS = 31.0
_HURRY_DEADLINE_S, _ANSWER_S = 120.0, 0.2
#: Market seconds per real second that the lab keeps up with on a modest core; beyond, its clock is slowed.
FASTEST = 200.0
#: How far back a demo without an end begins, so that its times are in the past for a while.
_DEFAULT_HISTORY_S = 86_400.0
#: A market begins on every second midnight UTC: whatever is told of the time of day, or in turns of days, is then the
#: same in every demo of a seed.
_PHASE_NS = 2 * 86_400 * SECOND_NS
_MOST_MAKERS = 4  # processes at once; more than a modest machine's cores, so that none of them is idle at the end


class _Fingerprint(msgspec.Struct):
    frames_hash: str


def told_to_face(settings: Settings) -> dict[str, str]:
    """What a demo's heart runs beyond the configuration, as environment of its face, which reads that by itself."""
    return {} if settings.strategy else {f"PERPSCOPE_STRATEGY__{DECIDES.upper()}__ENABLED": "true"}


class Cost(msgspec.Struct, frozen=True):
    """What the lab's process took."""

    memory_mb: float | None  #: at most; None where the system does not tell
    cpu_s: float | None


def rate_of(text: str) -> float:
    """Read a speed.

    Raises:
        ConfigError: it is no number, or not in (0, 200].

    >>> rate_of("60x")
    60.0
    """
    try:
        rate = float(text.lower().removesuffix("x").removesuffix("×"))
    except ValueError:
        rate = 0.0
    if not 0.0 < rate <= FASTEST:
        raise ConfigError(
            "option-value", f"--speed {text!r} must be a number in (0, {FASTEST:g}]", hint="e.g. --speed 60x"
        )
    return rate


def bases_of(symbols: Sequence[str]) -> tuple[str, ...]:
    """What the lab trades so that all of these can be listened to: the three of every demo, and those named beside.

    Raises:
        ConfigError: the lab does not trade one of them.

    >>> bases_of(["XRPUSDT", "BTC"])
    ('BTC', 'ETH', 'SOL', 'XRP')
    """
    return tuple(dict.fromkeys((*BASES, *named_of(symbols))))


def named_of(symbols: Sequence[str], venues: Sequence[str] = VENUES) -> list[str]:
    """What of the lab's is named by these, as people write it, on any of some venues.

    Raises:
        ConfigError: the lab does not trade one of them there.

    >>> named_of(["BTCUSDT"])
    ['BTC']
    """
    listed = {venue: [dialect(venue).instrument(contract) for contract in CONTRACTS] for venue in venues}
    chosen = resolve(symbols, listed).instruments if symbols else {}
    ids = {instrument.id for instruments in chosen.values() for instrument in instruments}
    return [
        contract.base
        for at, contract in enumerate(CONTRACTS)
        if any(instruments[at].id in ids for instruments in listed.values())
    ]


class DemoMarket:
    """A lab process, what was before it, and where its rows go; an async context manager.

    Args:
        seed: of the market.
        rate: market seconds per real second.
        database: file of kind "demo"; None = a new one.
        duration_s: real seconds the demo will last, if known: its market then ends about now.
        symbols: what will be listened to, as people write it; empty = all that is traded.
        days: market days in the store at the opening; 0 = none, and a market without a crowd.
        is_witnessed: whether the hash of its frames will be asked for.
        announce: told what is going on, one line at a time.
    """

    def __init__(
        self,
        *,
        seed: int,
        rate: float,
        database: Path | None,
        duration_s: float | None,
        symbols: Sequence[str] = (),
        days: float = demo_past.DAYS,
        is_witnessed: bool = False,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        if not 0.0 <= days <= MOST_DAYS:
            raise ConfigError("option-value", f"--days {days:g} must be in [0, {MOST_DAYS:g}]", hint="e.g. --days 8")
        self.database = database or places.demo_database()
        self.bases = bases_of(symbols)
        self.seed = seed
        self.start_ns = 0  #: ns UTC, where its market begins; known once it is open
        self._rate = rate
        self._duration_s = duration_s
        self._days = math.ceil(days * 24) / 24  # whole hours, so that every candle is whole
        self._is_witnessed = is_witnessed
        self._announce = announce
        self._lab: asyncio.subprocess.Process | None = None
        self._addresses: dict[str, Address] = {}
        self._unwanted = threading.Event()  # whoever works in a thread for the opening may stop

    async def __aenter__(self) -> "DemoMarket":
        try:
            with tempfile.TemporaryFile(prefix="perpscope-demo-") as handover:  # it has no name: nobody need remove it
                await self._open(handover.fileno())
        except BaseException:
            self._unwanted.set()
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stop()

    @property
    def _span(self) -> str:
        """What was before, in words."""
        return f"{self._days:.3g} market days" if self._days >= 1 else f"{self._days * 24:.3g} market hours"

    @property
    def words(self) -> str:
        """What a newcomer should know, and what to open next."""
        begun = datetime.fromtimestamp(self.start_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M UTC")
        before = f"the {self._span} before are in the store" if self._days else "nothing was before"
        path = shlex.quote(str(self.database))
        return (
            f"DEMO DATA, never the real store: {self.database}\n"
            f"  {', '.join(self.bases)} on {len(VENUES)} venues, seed {self.seed}, {self._rate:g}× from {begun};"
            f" {before}\n"
            f"  meanwhile, in another terminal: ./run status --db {path}, or analyze, report, coverage\n"
            "  Ctrl-C ends it"
        )

    def collector(self, settings: Settings, announce: Callable[[str], None]) -> Collector:
        """The heart, pointed at the lab."""
        labs = lab_process.pointed(self._addresses)
        past = settings.backfill
        tree = replace(
            settings,
            venue=labs,
            ccxt=Ccxt(),  # a demo asks nobody real
            collect=replace(settings.collect, venues=tuple(labs), symbols=settings.collect.symbols or (EVERYTHING,)),
            limits=replace(settings.limits, folder=""),  # nobody else asks this lab
            strategy=settings.strategy or {DECIDES: {"enabled": True, "symbols": [BASES[0]]}},
            # what was before the days in the store is not asked for: the machine has a market to keep up with
            backfill=replace(past, days=min(past.days, self._days)) if self._days else past,
        )
        return Collector(tree, database=self.database, announce=announce)

    async def frames_hash(self, *, is_hurried: bool = True) -> str | None:
        """The hash of what the exchanges told in their first ten market minutes; None if it cannot be had.

        Args:
            is_hurried: if they are not over yet, let the lab hurry through the rest of them; nothing else can be had
                of it afterwards. Otherwise there is no hash before they are over.
        """
        lab = self._lab
        if not self._is_witnessed or lab is None or lab.stdout is None:
            return None
        if is_hurried:
            self._say(b"hurry")
        try:
            line = await asyncio.wait_for(lab.stdout.readline(), _HURRY_DEADLINE_S if is_hurried else _ANSWER_S)
            return msgspec.json.decode(line, type=_Fingerprint).frames_hash
        except (TimeoutError, msgspec.MsgspecError):
            return None

    def cost(self) -> Cost:
        """What the lab has taken so far, as Linux tells."""
        lab = self._lab
        if lab is None or not Path("/proc/self/stat").exists():
            return Cost(None, None)
        try:
            lines = Path(f"/proc/{lab.pid}/status").read_text(encoding="ascii").splitlines()
            fields = Path(f"/proc/{lab.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return Cost(None, None)
        peak = next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM:")), None)
        return Cost(peak, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))

    # the opening ---------------------------------------------------------------------------------------------------

    async def _open(self, handover: int) -> None:
        """Make the past, hand it to the lab and to the store at once, and let market time run."""
        places.make_own_folder(self.database)
        check_writable(self.database, create=True)
        self.start_ns = start_ns = self._start_ns()
        pasts = await self._made(start_ns, handover) if self._days else {}
        filling = asyncio.create_task(self._fill(pasts))
        try:
            await self._start_lab(start_ns, handover if pasts else None)
            await filling
        except BaseException:
            self._unwanted.set()
            filling.cancel()
            raise
        self._say(b"start")

    async def _made(self, start_ns: int, handover: int) -> dict[str, Past]:
        """What was before, made in processes that end with this one."""
        self._announce(f"making {self._span} of {', '.join(self.bases)} on {len(VENUES)} venues …")
        making = Making(self.seed, self.bases, start_ns, self._days, processes=min(_MOST_MAKERS, len(self.bases)))
        try:
            pasts = await asyncio.to_thread(making.result)
        finally:
            making.close()
        await asyncio.to_thread(save, pasts, Path(f"/dev/fd/{handover}"))
        os.lseek(handover, 0, os.SEEK_SET)
        return pasts

    async def _fill(self, pasts: dict[str, Past]) -> None:
        """Put the past into a store that is new; one that a demo was collected into goes on without."""
        if not pasts or not demo_past.is_new(self.database):
            return
        rows = await asyncio.to_thread(demo_past.fill, self.database, pasts, VENUES, self._unwanted.is_set)
        self._announce(f"{rows:,} rows of {self._span} are in the store")

    async def _start_lab(self, start_ns: int, handover: int | None) -> None:
        """Start the exchanges, their clock held.

        Raises:
            VenueUnreachable: they did not start.
        """
        self._lab, self._addresses = await lab_process.started(
            [
                *("--seed", str(self.seed), "--speed", str(self._rate), "--start-ns", str(start_ns)),
                *("--venue", *VENUES, "--symbols", *self.bases, "--held", "--yielding"),
                *(() if handover is None else ("--past", f"/dev/fd/{handover}")),
                *(("--fingerprint",) if self._is_witnessed else ()),
            ],
            pass_fds=() if handover is None else (handover,),
        )

    def _start_ns(self) -> int:
        """Market time to begin at: a second midnight, after what the database holds, else as far back as it is long."""
        history_s = _DEFAULT_HISTORY_S if self._duration_s is None else self._duration_s * self._rate
        start_ns = (wall_ns() - int(history_s * SECOND_NS)) // _PHASE_NS * _PHASE_NS
        if self.database.is_file() and not demo_past.is_new(self.database):
            with SqliteReader.open(self.database) as reader:
                heart, kind = reader.heart(), reader.kind
            if kind is not StoreKind.DEMO:
                raise StoreError(
                    "store-kind",
                    f"{self.database} holds {kind.value} data, which demo data must not be mixed with",
                    hint="choose another file with --db",
                )
            if heart is not None:
                start_ns = max(start_ns, -(-(heart.ts_market + SECOND_NS) // _PHASE_NS) * _PHASE_NS)
        return start_ns

    def _say(self, word: bytes) -> None:
        if self._lab is not None:
            lab_process.say(self._lab, word)

    async def _stop(self) -> None:
        if self._lab is not None:
            await lab_process.ended(self._lab)
