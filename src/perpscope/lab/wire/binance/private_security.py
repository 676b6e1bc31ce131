"""Whether a request to Binance is its sender's: key, signature and time.

A signature is HMAC-SHA256 of the parameters as sent, or Ed25519 where the account was opened with a public key; that
needs the package `cryptography`, and without it every such signature is refused. A time counts if it is near the market
clock or the machine's: third-party clients know no market clock. A market that is faster than the machine's clock waits
as long for a request as any other does, in real time.
"""

import base64
import binascii
import enum
import hashlib
import hmac
import importlib
import re
from urllib.parse import unquote

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.dialect import Call
from perpscope.lab.wire.binance import asked
from perpscope.lab.wire.binance.private_asked import Params

_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SIGNATURE = re.compile(r"(^|&)signature=[^&]*")
_WINDOW_MS, _LONGEST_WINDOW_MS = 5000, 60_000
_AHEAD_MS = 1000
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----"  #: how the secret of an Ed25519 account begins


class Security(enum.Enum):
    """What a route asks for."""

    KEY = enum.auto()
    SIGNED = enum.auto()


class Unknown(Exception):
    """Nobody with this key."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = asked.Refused(code, message).body


def admitted(accounts: Accounts, call: Call, params: Params, security: Security) -> Account:
    """Whose request it is.

    Raises:
        Unknown: there is no such key.
        asked.Refused: signature or time are missing or wrong.
    """
    account = account_of(accounts, call.session_key or call.headers.get("X-MBX-APIKEY", ""))
    if security is Security.SIGNED:
        _check_time(call, params, accounts.prices.now_ms)
        if not call.session_key:
            payload = signed_text(call.raw_query) + signed_text(call.body.decode("utf-8", "replace"))
            if not is_signed(account, payload.encode(), params.text("signature")):
                raise asked.Refused(-1022, "Signature for this request is not valid.")
    return account


def account_of(accounts: Accounts, key: str) -> Account:
    """The account of a key.

    Raises:
        Unknown: there is none.
    """
    if not _KEY.fullmatch(key):
        raise Unknown(-2014, "API-key format invalid.")
    account = accounts.by_key.get(key)
    if account is None:
        raise Unknown(-2015, "Invalid API-key, IP, or permissions for action.")
    return account


def signed_text(sent: str) -> str:
    """Parameters as sent, without the signature among them."""
    return _SIGNATURE.sub("", sent).removeprefix("&")


def is_signed(account: Account, payload: bytes, signature: str) -> bool:
    """True if the signature is the account's."""
    if account.secret.startswith(PUBLIC_KEY):
        return _is_signed_by_key(account.secret, payload, signature)
    expected = hmac.new(account.secret.encode(), payload, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature.lower())


def _is_signed_by_key(public_key: str, payload: bytes, signature: str) -> bool:
    try:
        keys = importlib.import_module("cryptography.hazmat.primitives.serialization")
        wrong = importlib.import_module("cryptography.exceptions").InvalidSignature
    except ModuleNotFoundError:
        return False
    try:
        keys.load_pem_public_key(public_key.encode()).verify(base64.b64decode(unquote(signature)), payload)
    except (wrong, binascii.Error):
        return False
    return True


def _check_time(call: Call, params: Params, market_ms: int) -> None:
    sent, window = params.integer("timestamp"), params.integer("recvWindow", _WINDOW_MS)
    if window > _LONGEST_WINDOW_MS:
        raise asked.Refused(-1131, "recvWindow must be less than 60000")
    clocks = ((market_ms, call.rate), (call.wall_ms, 1.0))
    if any(now - window * rate <= sent < now + _AHEAD_MS * rate for now, rate in clocks):
        return
    if sent > max(market_ms, call.wall_ms):
        raise asked.Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    raise asked.Refused(-1021, "Timestamp for this request is outside of the recvWindow.")
