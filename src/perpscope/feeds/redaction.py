"""What people read of a URL: everything but the user and password in it. In: text. Out: the same, without secrets."""

import re

_SECRET = re.compile(r"://[^\s\"']*@")


def redacted(text: str) -> str:
    """The same, without the user and password of any URL in it.

    >>> redacted("through http://me:secret@10.0.0.1:3128")
    'through http://***@10.0.0.1:3128'
    """
    return _SECRET.sub("://***@", text)
