"""By which names the venues are called: what a client asks a CONNECT proxy for when it has no address of its own.

The production hosts of the venues' documents (2026-11), `host:port`. Test nets and demo trading are other markets, and
are not pretended to be.
"""

HOSTS: dict[str, tuple[str, ...]] = {
    "binance": ("fapi.binance.com:443", "fstream.binance.com:443", "ws-fapi.binance.com:443"),
    "bybit": ("api.bybit.com:443", "api.bytick.com:443", "stream.bybit.com:443"),
    "okx": ("openapi.okx.com:443", "www.okx.com:443", "ws.okx.com:443"),
    "bitget": ("api.bitget.com:443", "ws.bitget.com:443"),
    "hyperliquid": ("api.hyperliquid.xyz:443",),
}
#: what the venues answered to once, and clients still ask for: OKX's port 8443, closed on 2026-10-31
RETIRED: dict[str, tuple[str, ...]] = {"okx": ("ws.okx.com:8443",)}


def names(venue: str) -> tuple[str, ...]:
    """Its host names, without ports."""
    return tuple(dict.fromkeys(host.partition(":")[0] for host in HOSTS.get(venue, ())))
