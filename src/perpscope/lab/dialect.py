"""What a venue's wire must know, on one page: everything the generic exchange asks of `lab/wire/<venue>`.

A folder holds `DIALECT`: names and units (`instrument`, `listing`), session rules as data, a `Dialogue` for each
connection (what a client says, what it is answered), a `Teller` (what happens → frames by topic) and a `RestSide`.
All of them are synchronous and without effects: bytes and events in, bytes out; the server does the sending.
"""

import enum
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from perpscope.errors import ConfigError
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.allowance import Rate
from perpscope.lab.happening import Happening
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations, Stand
from perpscope.lab.symbols import Contract
from perpscope.model.instrument import Instrument

VENUES = ("binance", "bybit", "okx", "bitget", "hyperliquid")


class Idle(enum.Enum):
    """Which silence a venue counts before it closes a connection."""

    RECEIVED = "received"  #: the client has said nothing
    SENT = "sent"  #: the server has sent nothing
    EITHER = "either"  #: neither has


class SessionRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue demands of a connection; the defaults demand next to nothing. Seconds are real ones."""

    ping_interval_s: float | None = None  #: WebSocket PING frames of the server; None for none
    pong_timeout_s: float = 600.0
    idle_timeout_s: float | None = None  #: of the silence `idle` names; None for none
    idle: Idle = Idle.EITHER
    lifetime_s: float | None = None
    notice_s: float = 0.0  #: how long before the end of its life a connection is told (`Dialogue.notice`)
    messages: Rate | None = None  #: frames a client may send, pings and pongs included
    topics: int = 1_000_000  #: per connection
    connections: int | None = None  #: open at once
    connects: Rate | None = None  #: new connections
    buffer_bytes: int = 8 * 1024 * 1024  #: unsent bytes after which a slow client is dropped
    unmetered: frozenset[str] = frozenset()  #: short names of paths whose messages are not counted
    legacy_routes: bool = False  #: Binance's un-routed paths carry everything, as before 2026-04-23


class Goodbye(msgspec.Struct, frozen=True):
    """How a connection is closed."""

    code: int  #: WebSocket close code
    reason: bytes = b""


class Frame(msgspec.Struct, frozen=True):
    """One text frame for one client."""

    payload: bytes
    topic: str = ""  #: data of this topic (muted with it, entered in the ledger); empty for an answer


class Heard(msgspec.Struct, frozen=True):
    """What a client's message leads to: frames in the order they are sent, and then its changes of topics."""

    frames: Sequence[Frame] = ()
    subscribed: Sequence[str] = ()
    unsubscribed: Sequence[str] = ()
    goodbye: Goodbye | None = None  #: close the connection after the frames


class Floor(Protocol):
    """What a dialogue may ask of the exchange it takes place on."""

    @property
    def rules(self) -> SessionRules:
        """What is demanded of a connection here: a test may have chosen others than the dialect's."""
        ...

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded."""
        ...

    @property
    def now_ms(self) -> int:
        """Market time."""
        ...

    @property
    def connections(self) -> int:
        """Open connections, this one included."""
        ...

    @property
    def subscribed(self) -> int:
        """Topics subscribed, over all connections."""
        ...

    def is_refused(self, topic: str) -> bool:
        """True if a test wants subscriptions to this topic refused."""
        ...

    @property
    def wall_ms(self) -> int:
        """The machine's clock."""
        ...

    def opening(self, topic: str) -> Sequence[bytes]:
        """The frames a new subscriber gets right after the acknowledgement (the teller's `opening`)."""
        ...

    def ask(self, call: "Call") -> "Answer":
        """What the venue's REST side replies to a request."""
        ...


class Dialogue(Protocol):
    """One connection's side of the conversation, from its path on. The session owns and drives it."""

    path: str  #: short name of the path, e.g. "public", "v3/public"; for mute, ledger and logs
    topics: dict[str, None]  #: subscribed now, oldest first; changed by the session alone, after `hear`
    form: str  #: how this client wants payloads wrapped, if it has a choice; "" = as published

    def carries(self, topic: str) -> bool:
        """False for a topic that was acknowledged and yet never comes on this path."""
        ...

    def hear(self, message: bytes, now_s: float) -> Heard:
        """Understand a client's text message; never raises, whatever the bytes.

        Args:
            message: as received.
            now_s: real seconds since some moment, for the venue's limits.
        """
        ...

    def wrapped(self, topic: str, payload: bytes) -> bytes:
        """A payload in this client's form; asked only where `form` is not empty."""
        ...

    def notice(self) -> bytes | None:
        """What is sent `notice_s` before the connection is ended, if anything."""
        ...

    def goodbye(self, cause: str) -> Goodbye:
        """How the venue closes it.

        Args:
            cause: "lifetime", "idle", "no-pong", "too-many-messages" or "unsupported-frame".
        """
        ...


class Outlet(Protocol):
    """Where a teller's frames go."""

    def is_wanted(self, topic: str) -> bool:
        """True if somebody would receive it: nothing need be written for nobody."""
        ...

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a payload to everybody who subscribed the topic."""
        ...

    def count(self, kind: str) -> None:
        """Enter into the ledger that something was published, heard or not (e.g. "LiquidationPublished")."""
        ...


class Teller(Protocol):
    """How the venue tells its market: its cadences, its sampling, its units."""

    tick_ns: int  #: `pass_tick` comes on every multiple of it

    def tell(self, stand: Stand, event: Happening) -> None:
        """Something happened; `stand` knows it already (its book, quote, mark and changed levels are as after it)."""
        ...

    def pass_tick(self, ts_ns: int) -> None:
        """Market time has come to a tick: close the windows that end here. Every event before it has been told."""
        ...

    def opening(self, topic: str) -> Sequence[bytes]:
        """The frames a new subscriber gets right after the acknowledgement: snapshots, history; often none."""
        ...


class Call(msgspec.Struct, frozen=True):
    """One REST request."""

    method: str  #: "GET", "POST", "PUT" or "DELETE"
    path: str
    query: Mapping[str, str]
    body: bytes
    now_s: float  #: real seconds since some moment, for the venue's limits
    raw_query: str = ""  #: as sent, for signatures
    headers: Mapping[str, str] = {}
    wall_ms: int = 0  #: the machine's clock, for signed times
    session_key: str = ""  #: the key a WebSocket API session is logged on with: nothing more need be signed
    rate: float = 1.0  #: market seconds per real second, >= 1: a signed time may be off by so much more


class Answer(msgspec.Struct, frozen=True):
    """One REST reply; JSON."""

    body: bytes
    status: int = 200  #: 0: nothing is answered, the connection ends
    headers: Mapping[str, str] = {}


#: A reply that never comes.
SILENCE = Answer(b"", 0)


class Budget(Protocol):
    """A limit on requests, as far as a test wants to change it."""

    limit: int


class RestSide(Protocol):
    """The venue's REST: routes, weights, limits and errors in its own words."""

    @property
    def budget(self) -> Budget:
        """Its main limit."""
        ...

    def answer(self, call: Call) -> Answer:
        """Reply to a request, whatever it is; unknown paths and nonsense get the venue's own error."""
        ...

    def throttled(self, wait_s: int) -> Answer:
        """What the venue says to somebody who asks too often; also used to make it say so on request."""
        ...


class PrivateSide(RestSide, Protocol):
    """The venue's accounts: they hear what is published, and answer what is signed; the rest is the public side's."""

    accounts: Accounts  #: to open some, and to let things go wrong

    def hear(self, stand: Stand, event: Happening) -> None:
        """Something has just been told; `stand` knows it already."""
        ...

    def pass_time(self, ts_ns: int) -> None:
        """Market time has come to a tick."""
        ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's wire. `lab/wire/<venue>/__init__.py` holds one, named DIALECT."""

    venue: str
    paths: tuple[str, ...] = ()  #: targets that open a connection, for whoever tries them all
    rules: SessionRules
    instrument: Callable[[Contract], Instrument]  #: a contract of the seeded market, named and sized as here
    listing: Callable[[Instrument], Listing] = Listing
    dialogue: Callable[[str, Floor], Dialogue | None]  #: from the request's path and query; None: no such path (404)
    teller: Callable[[Quotations, Outlet], Teller]
    rest: Callable[[Quotations], RestSide]
    private: Callable[[Quotations, Outlet], PrivateSide] | None = None  #: instead of `rest`; None: nobody trades there
    funding_interval_h: int = 8


def dialect(venue: str) -> Dialect:
    """The wire of a venue, found by its folder.

    Raises:
        ConfigError: the lab does not speak it.
    """
    folder = f"perpscope.lab.wire.{venue}"
    try:
        found: Dialect = importlib.import_module(folder).DIALECT
    except ModuleNotFoundError as error:
        if error.name != folder:
            raise
        raise ConfigError(
            "venue-unknown", f"the lab does not speak {venue}", hint=f"choose from {', '.join(VENUES)}"
        ) from error
    return found
