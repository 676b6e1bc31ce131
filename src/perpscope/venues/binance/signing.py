"""Proof that a call is ours: HMAC-SHA256 of the query, under the key's header.

https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info (SIGNED endpoint security)
In: a call, both parts of the key, the venue's time. Out: the same call with `timestamp`, `recvWindow`, `signature` and
the header `X-MBX-APIKEY`. What is signed is the query exactly as it is sent (`HttpRequest.query`). The window stays
small: a wider one would hide a clock that is wrong.
"""

import hashlib
import hmac

import msgspec

from perpscope.model.stream import HttpRequest

RECV_WINDOW_MS = 5000
KEY_HEADER = "X-MBX-APIKEY"
#: What wants the key, and no signature.
_BY_KEY_ALONE = frozenset({"/fapi/v1/listenKey"})
#: What is told to everybody: asked without either, and with nothing that it has not asked for (-1104).
_PUBLIC = frozenset({"/fapi/v1/exchangeInfo", "/fapi/v1/premiumIndex"})


def signature(secret: str, text: str) -> str:
    """What proves that a text is ours, in hexadecimal.

    >>> signature("key", "The quick brown fox jumps over the lazy dog")
    'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8'
    """
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signed(request: HttpRequest, key: str, secret: str, now_ms: int) -> HttpRequest:
    """The same call as the venue takes it from us.

    Args:
        request: to be sent at once.
        key: public part.
        secret: never kept, told or shown.
        now_ms: the venue's time, epoch ms.
    """
    if request.path in _PUBLIC:
        return request
    headers = (*request.headers, (KEY_HEADER, key))
    if request.path in _BY_KEY_ALONE:
        return msgspec.structs.replace(request, headers=headers)
    params = (*request.params, ("recvWindow", str(RECV_WINDOW_MS)), ("timestamp", str(now_ms)))
    unsigned = msgspec.structs.replace(request, params=params, headers=headers)
    return msgspec.structs.replace(unsigned, params=(*params, ("signature", signature(secret, unsigned.query))))
