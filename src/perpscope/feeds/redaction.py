"""What people read of a URL: everything but what opens doors. In: text. Out: the same, without secrets.

Secrets are the user and password of a proxy, and the parameters that prove who we are: signatures and listen keys.
"""

import re

_SECRET = re.compile(r"://[^\s\"']*@")
_PARAM = re.compile(r"\b(signature|listenKey|apiKey)=[^&\s\"']+")


def redacted(text: str) -> str:
    """The same, without the secrets of any URL in it.

    >>> redacted("through http://me:secret@10.0.0.1:3128")
    'through http://***@10.0.0.1:3128'
    >>> redacted("wss://lab/private/ws?listenKey=abc&events=ALGO_UPDATE")
    'wss://lab/private/ws?listenKey=***&events=ALGO_UPDATE'
    """
    return _PARAM.sub(r"\1=***", _SECRET.sub("://***@", text))
