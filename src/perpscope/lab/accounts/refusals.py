"""Why an exchange refuses: reasons in no venue's words, which its wire puts into codes and messages of its own."""

import enum


class Reason(enum.Enum):
    """What is wrong with a request."""

    UNKNOWN_SYMBOL = enum.auto()
    NOT_TRADING = enum.auto()  #: only closing is allowed
    SIZE_MISSING = enum.auto()
    SIZE_NOT_WANTED = enum.auto()  #: the whole position is meant
    SIZE_NOT_POSITIVE = enum.auto()
    SIZE_PRECISION = enum.auto()
    SIZE_TOO_LARGE = enum.auto()
    PRICE_MISSING = enum.auto()
    PRICE_NOT_WANTED = enum.auto()
    PRICE_NOT_POSITIVE = enum.auto()
    PRICE_PRECISION = enum.auto()
    PRICE_OFF_TICK = enum.auto()
    PRICE_TOO_HIGH = enum.auto()  #: detail: the highest
    PRICE_TOO_LOW = enum.auto()  #: detail: the lowest
    GOOD_TILL = enum.auto()
    NOTIONAL = enum.auto()  #: detail: the smallest
    NO_LIQUIDITY = enum.auto()  #: a market order finds no price near the mark
    MARGIN = enum.auto()
    BRACKET = enum.auto()
    TOO_MANY_ORDERS = enum.auto()
    TOO_MANY_CONDITIONAL = enum.auto()
    DUPLICATE_ID = enum.auto()
    CLIENT_ID = enum.auto()
    CONDITIONAL_HERE = enum.auto()  #: it belongs to the conditional orders
    NOT_CONDITIONAL = enum.auto()
    TRIGGER_MISSING = enum.auto()
    WOULD_TRIGGER = enum.auto()
    CALLBACK = enum.auto()
    CLOSING_TWICE = enum.auto()
    CLOSING_KIND = enum.auto()
    REDUCE_ONLY = enum.auto()  #: nothing to reduce
    REDUCE_ONLY_USED = enum.auto()  #: other orders reduce all of it already
    REDUCE_ONLY_HEDGED = enum.auto()
    WRONG_HELD = enum.auto()  #: one-way where hedge mode is set, or the other way round
    WOULD_TAKE = enum.auto()  #: post-only
    NOT_FILLABLE = enum.auto()  #: fill or kill
    UNKNOWN_TO_CANCEL = enum.auto()
    UNKNOWN_ORDER = enum.auto()
    NO_CHANGE = enum.auto()
    LEVERAGE = enum.auto()
    LEVERAGE_MARGIN = enum.auto()
    LEVERAGE_POSITION = enum.auto()  #: an isolated position's leverage may not fall
    SAME_MARGIN_TYPE = enum.auto()
    MARGIN_TYPE_ORDERS = enum.auto()
    MARGIN_TYPE_POSITION = enum.auto()
    SAME_MODE = enum.auto()
    MODE_ORDERS = enum.auto()
    MODE_POSITION = enum.auto()
    NOT_ISOLATED = enum.auto()
    NO_POSITION = enum.auto()
    WALLET = enum.auto()
    ISOLATED_WALLET = enum.auto()
    LISTEN_KEY = enum.auto()


class Refused(Exception):
    """A request the exchange refuses; nothing has changed."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.name} {detail}".strip())
        self.reason = reason
        self.detail = detail
