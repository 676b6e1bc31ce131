"""What goes wrong between a customer and the exchange's desk: requests and replies lost, answers that do not say.

In: words, each with how often it strikes and what it is about. Out: for a request, the misfortune that strikes it. What
a word looks like on the wire is the venue's business; what it does to the order is said here.
"""

import enum
import fnmatch

import msgspec


class Mishap(enum.Enum):
    """What goes wrong with a request; `is_done` says whether it is carried out all the same."""

    LOST_REQUEST = "lost-request"  #: it never arrives, and nothing is answered
    LOST_REPLY = "lost-reply"  #: carried out, and nothing is answered
    UNKNOWN = "unknown"  #: carried out, and answered 503 "Unknown error": it may have been
    UNKNOWN_NOT_DONE = "unknown-not-done"  #: the same words, and it was not
    TIMEOUT = "timeout"  #: carried out, and answered that its status is unknown (-1007)
    TIMEOUT_NOT_DONE = "timeout-not-done"  #: the same words, and it was not
    UNAVAILABLE = "unavailable"  #: 503 "Service Unavailable": failed
    INTERNAL = "internal"  #: 503 "Internal error": failed
    OVERLOADED = "overloaded"  #: 503, -1008: failed; whatever only closes a position passes
    OVERLOADED_DONE = "overloaded-done"  #: the same words, and it was carried out
    UNREADABLE = "unreadable"  #: carried out, and answered 502 with a web page
    REFUSED = "refused"  #: refused with `code`
    UNSEEN = "unseen"  #: carried out, but for `for_ms` questions about it find nothing

    @property
    def is_done(self) -> bool:
        """True if the request is carried out."""
        return self in _DONE


_DONE = {
    Mishap.LOST_REPLY,
    Mishap.UNKNOWN,
    Mishap.TIMEOUT,
    Mishap.OVERLOADED_DONE,
    Mishap.UNREADABLE,
    Mishap.UNSEEN,
}


class Misfortune(msgspec.Struct, frozen=True):
    """A mishap that strikes requests."""

    kind: Mishap
    of: str = "POST /fapi/v1/order"  #: method and path, with `*` and `?`
    times: float = 1  #: how many requests; `math.inf` until it is taken back
    key: str = "*"  #: whose
    code: int = 0  #: of `REFUSED`
    message: str = ""  #: likewise
    for_ms: int = 0  #: of `UNSEEN`, market time

    def hits(self, key: str, request: str) -> bool:
        """True if it is about a request."""
        return fnmatch.fnmatchcase(request, self.of) and fnmatch.fnmatchcase(key, self.key)


class Misfortunes:
    """Those that wait to strike, and how often each has."""

    def __init__(self) -> None:
        self.struck: list[tuple[Mishap, str]] = []  #: the mishap and the request, oldest first
        self._left: dict[Misfortune, float] = {}

    def add(self, misfortune: Misfortune) -> None:
        """Let it strike."""
        self._left[misfortune] = self._left.get(misfortune, 0) + misfortune.times

    def clear(self) -> None:
        """Let none strike any more."""
        self._left.clear()

    def strike(self, key: str, request: str, *, only_closes: bool) -> Misfortune | None:
        """The first one that strikes a request; it has one time less to go.

        Args:
            key: whose request.
            request: method and path.
            only_closes: an order that opens nothing, which passes where there is too much to do.
        """
        for misfortune, left in self._left.items():
            if not misfortune.hits(key, request) or (misfortune.kind is Mishap.OVERLOADED and only_closes):
                continue
            if left <= 1:
                del self._left[misfortune]
            else:
                self._left[misfortune] = left - 1
            self.struck.append((misfortune.kind, request))
            return misfortune
        return None
