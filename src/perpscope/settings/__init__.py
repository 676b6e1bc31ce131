"""Every setting there is, on one page: name, default, bounds and what it does.

`config` reads them from files, the environment and flags. `[venue.X]` and `[ccxt.options.X]` stay raw here: whoever
builds the venue converts them with a Struct of its own through `config.convert`. `[alert.NAME]` and `[strategy.NAME]`
are read the same way.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from perpscope.settings.trading import Costs, Risk, Trade

__all__ = ["Costs", "Risk", "Settings", "Table", "Trade"]

Table: TypeAlias = dict[str, object]


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows go."""

    path: Annotated[
        str, Meta(description="database file; empty = ./data/liquidations.db if there, else the user's data folder")
    ] = ""
    batch_rows: Annotated[int, Meta(ge=1, le=100_000, description="rows per transaction at most; time flushes too")] = (
        2000
    )


class Collect(msgspec.Struct, frozen=True, kw_only=True):
    """What is listened to."""

    venues: Annotated[tuple[str, ...], Meta(description="exchanges by name")] = (
        *("binance", "bybit", "okx", "bitget", "hyperliquid"),
    )
    symbols: Annotated[
        tuple[str, ...], Meta(description="coins (BTC), symbols (BTCUSDT) or ids; empty = the default set")
    ] = ()
    books: Annotated[bool, Meta(description="keep full order books (diffs and REST snapshots)")] = True


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are opened, watched and given up."""

    connect_timeout_s: Annotated[float, Meta(gt=0, description="seconds a connection may take to open")] = 10.0
    ack_timeout_s: Annotated[float, Meta(gt=0, description="seconds a subscription may stay unacknowledged")] = 10.0
    refused_retry_s: Annotated[
        float, Meta(gt=0, description="seconds until a topic the venue refused is tried again; doubles, up to 16 times")
    ] = 60.0
    rotate_after_s: Annotated[
        float,
        Meta(ge=0, description="seconds after which a socket is replaced by a new one; 0 = before the venue does"),
    ] = 0.0
    silent_after_s: Annotated[
        float, Meta(gt=0, description="seconds without data after which a socket is replaced")
    ] = 5.0
    backoff_first_s: Annotated[float, Meta(gt=0, description="upper bound of the first wait before reconnecting")] = 1.0
    backoff_max_s: Annotated[float, Meta(gt=0, description="upper bound of any wait before reconnecting")] = 60.0
    healthy_after_s: Annotated[float, Meta(ge=0, description="seconds of data after which the backoff starts anew")] = (
        60.0
    )
    max_frame_bytes: Annotated[int, Meta(ge=1024, description="longer frames end the connection")] = 4_000_000
    max_bad_frames_per_minute: Annotated[
        int, Meta(ge=1, description="more rejected frames than this end the connection")
    ] = 600


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """Raw frames kept for replay."""

    folder: Annotated[str, Meta(description="folder for raw recordings; empty = none are kept")] = ""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long rows are kept."""

    days: Annotated[int, Meta(ge=0, description="rows older than so many days are deleted daily; 0 = all are kept")] = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What all programs of this machine together may ask of a venue."""

    folder: Annotated[
        str,
        Meta(
            description="folder in which perpscope's processes agree on what was asked; empty = of this user's session"
        ),
    ] = ""


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """The way out, where there is no direct one."""

    url: Annotated[
        str,
        Meta(
            pattern="^$|^(http|https|socks4|socks5|socks5h)://",
            description="http://, socks4:// or socks5:// proxy for REST and WebSocket; empty = none",
        ),
    ] = ""


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for afterwards."""

    days: Annotated[
        float, Meta(ge=0, le=365, description="days of history asked for at the first start, newest first; 0 = none")
    ] = 30.0
    gaps: Annotated[bool, Meta(description="ask for what was missed, after each reconnect and start")] = True


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """Every tick, kept as Parquet."""

    folder: Annotated[str, Meta(description="folder of the archive; empty = no ticks are kept")] = ""
    file_s: Annotated[float, Meta(gt=0, le=86_400, description="market seconds of a stream in one file at most")] = (
        300.0
    )
    books: Annotated[bool, Meta(description="order books too: nine tenths of the volume")] = True
    quota_gb: Annotated[float, Meta(ge=0, description="oldest days go when it grows beyond this; 0 = no limit")] = 0.0
    days: Annotated[int, Meta(ge=0, description="days kept; 0 = all")] = 0


class Map(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidation maps kept current while collecting."""

    enabled: Annotated[bool, Meta(description="keep maps current, and snapshots of them")] = True
    symbols: Annotated[
        tuple[str, ...], Meta(description="coins whose maps are kept; empty = all that are collected")
    ] = ()
    every_min: Annotated[int, Meta(ge=1, le=1440, description="market minutes between two snapshots of a map")] = 5
    share: Annotated[
        str,
        Meta(description="folder, gs:// or s3:// URL where instances share maps; empty = they are kept here alone"),
    ] = ""
    keep_days: Annotated[
        int, Meta(ge=0, description="days whose snapshots keep their maps; 0 = all; the chain of hashes always stays")
    ] = 0


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """The face: HTTP, push and the page."""

    host: Annotated[
        str, Meta(description="address to listen at; any but this machine's own asks for a key and TLS")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port; 0 = any free one; $PORT wins over the default")] = (
        8000
    )
    hosts: Annotated[
        tuple[str, ...], Meta(description="names that requests may be addressed to, besides this machine's own")
    ] = ()
    origins: Annotated[
        tuple[str, ...], Meta(description="pages of other origins that may read, e.g. https://desk.example")
    ] = ()
    behind_proxy: Annotated[bool, Meta(description="TLS ends at a proxy before this")] = False
    public_url: Annotated[
        str,
        Meta(
            pattern="^$|^https?://[^ ]+$",
            description="address people open the page at, for links in messages; empty = this machine's own",
        ),
    ] = ""
    proxies: Annotated[
        tuple[str, ...], Meta(description="addresses whose X-Forwarded-For and X-Forwarded-Proto are believed")
    ] = ()
    certificate: Annotated[str, Meta(description="TLS certificate, PEM; empty = no TLS")] = ""
    certificate_key: Annotated[str, Meta(description="its private key, PEM, readable by its owner alone")] = ""
    keys: Annotated[str, Meta(description="file of API keys; empty = in the user's data folder")] = ""
    docs: Annotated[
        str, Meta(pattern="^(auto|on|off)$", description="page of the API: auto = where this machine alone is served")
    ] = "auto"
    requests_per_min: Annotated[
        int, Meta(ge=1, description="requests a minute of one key, or of one address without a key")
    ] = 1200
    streams: Annotated[int, Meta(ge=1, description="push connections open at once")] = 1000
    updates_per_s: Annotated[
        float, Meta(gt=0, le=100, description="updates a second to one push connection at most; the newest wins")
    ] = 10.0
    backlog_kb: Annotated[
        int, Meta(ge=16, description="kilobytes that may wait for one push connection before it is closed")
    ] = 1024


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """What is worth telling; the rules themselves are `[alert.NAME]`."""

    enabled: Annotated[bool, Meta(description="watch the rules while a face is served")] = True
    trades: Annotated[
        bool, Meta(description="tell of own fills, stops, halts and positions without a stop, alerts watched or not")
    ] = True
    defaults: Annotated[
        bool, Meta(description="the rules that come with perpscope, beside those of `[alert.NAME]`")
    ] = True
    coins: Annotated[tuple[str, ...], Meta(description="coins that are watched; empty = all that are collected")] = ()
    dead_after_s: Annotated[
        float, Meta(ge=5, description="real seconds without a word of the heart, or of a feed, until it is told")
    ] = 120.0
    quiet_hours: Annotated[
        str,
        Meta(
            pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
            description='hours without a sound, e.g. "23:00-07:00"; empty = none',
        ),
    ] = ""
    quiet: Annotated[
        str,
        Meta(pattern="^(silent|digest)$", description="in quiet hours: silent = sent without a sound; digest = kept"),
    ] = "silent"
    digest_at: Annotated[
        str,
        Meta(pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d$", description='time of the daily digest, "09:00"; empty = none'),
    ] = "09:00"
    zone: Annotated[str, Meta(description="IANA name of the zone these times are in, e.g. Asia/Seoul")] = "UTC"
    language: Annotated[str, Meta(pattern="^(en|ko)$", description="of messages: en or ko")] = "en"
    mute_bad: Annotated[bool, Meta(description="mute a rule that its score shows to be worse than chance")] = True
    keep_days: Annotated[int, Meta(ge=1, description="days the log of alerts is kept")] = 90


class Telegram(msgspec.Struct, frozen=True, kw_only=True):
    """Messages by a bot of one's own. `token` never holds the token: only that the environment has one."""

    token: Annotated[
        str, Meta(description="the bot's token: only PERPSCOPE_TELEGRAM__TOKEN sets it, refused in a file")
    ] = ""
    token_file: Annotated[str, Meta(description="file with the token, readable by its owner alone; empty = none")] = ""
    chats: Annotated[
        tuple[int, ...], Meta(description="ids of the chats that are written to, and may ask; others get no answer")
    ] = ()
    api: Annotated[
        str, Meta(pattern="^https?://[^ ]+$", description="base URL of the Bot API: Telegram's or a server of your own")
    ] = "https://api.telegram.org"
    proxy: Annotated[
        str,
        Meta(
            pattern="^$|^none$|^(http|https|socks4|socks5|socks5h)://",
            description='proxy on the way there; empty = as `proxy.url`; "none" = none',
        ),
    ] = ""
    commands: Annotated[bool, Meta(description="answer /status, /map and the other commands that read")] = True
    queue: Annotated[
        int, Meta(ge=10, le=10_000, description="messages that may wait; beyond, old ones of little weight are dropped")
    ] = 200


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Each alert as JSON to an address of one's own. `secret` never holds the secret, as `telegram.token`."""

    url: Annotated[str, Meta(pattern="^$|^https?://[^ ]+$", description="address it is posted to; empty = none")] = ""
    secret: Annotated[
        str, Meta(description="key of the signature: only PERPSCOPE_WEBHOOK__SECRET sets it, refused in a file")
    ] = ""
    secret_file: Annotated[str, Meta(description="file with it, readable by its owner alone; empty = none")] = ""
    timeout_s: Annotated[float, Meta(gt=0, le=60, description="seconds one try may take")] = 10.0


class Redis(msgspec.Struct, frozen=True, kw_only=True):
    """Redis or Valkey in place of the local socket, so that there can be many faces. PERPSCOPE_REDIS sets both."""

    bus: Annotated[
        str, Meta(description="redis:// URL that heart and faces are joined by (noeviction); empty = local socket")
    ] = ""
    cache: Annotated[
        str, Meta(description="redis:// URL where faces share answers (may evict); empty = each keeps its own")
    ] = ""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What is told on stderr, and kept in a file."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")] = (
        "warning"
    )
    file: Annotated[str, Meta(description="log file besides stderr; empty = none")] = ""
    max_bytes: Annotated[int, Meta(ge=1024, description="a log file of this size is set aside")] = 10_000_000
    keep: Annotated[int, Meta(ge=1, le=1000, description="log files set aside before the oldest goes")] = 5


class Ccxt(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges beyond those with a folder of their own, asked through ccxt."""

    venues: Annotated[tuple[str, ...], Meta(description="exchanges by ccxt's names; empty = none")] = ()
    symbols: Annotated[tuple[str, ...], Meta(description="coins taken of each")] = ("BTC", "ETH")
    every_s: Annotated[
        float, Meta(ge=5, description="seconds between two calls about open interest or funding of an instrument")
    ] = 60.0
    options: dict[str, Table] = {}


class Inference(msgspec.Struct, frozen=True, kw_only=True):
    """What is forecast at each closed one-minute candle while collecting."""

    enabled: Annotated[bool, Meta(description="forecast, and keep what was said as signals")] = True
    symbols: Annotated[tuple[str, ...], Meta(description="coins, symbols or ids that are forecast")] = (
        *("BTC", "ETH", "SOL"),
    )
    model: Annotated[
        str, Meta(description="folder of a model made by `study train --out`; empty = climatology: none ships")
    ] = ""
    past_days: Annotated[
        float, Meta(ge=0, le=365, description="days of the store read at the start, so that features are warm at once")
    ] = 30.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole tree."""

    database: Database = Database()
    collect: Collect = Collect()
    feed: Feed = Feed()
    recording: Recording = Recording()
    retention: Retention = Retention()
    limits: Limits = Limits()
    proxy: Proxy = Proxy()
    backfill: Backfill = Backfill()
    archive: Archive = Archive()
    map: Map = Map()
    web: Web = Web()
    alerts: Alerts = Alerts()
    alert: dict[str, Table] = {}
    telegram: Telegram = Telegram()
    webhook: Webhook = Webhook()
    costs: Costs = Costs()
    redis: Redis = Redis()
    log: Log = Log()
    risk: Risk = Risk()
    trade: Trade = Trade()
    ccxt: Ccxt = Ccxt()
    venue: dict[str, Table] = {}
    inference: Inference = Inference()
    strategy: dict[str, Table] = {}
