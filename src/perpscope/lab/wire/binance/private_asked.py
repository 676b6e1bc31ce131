"""Parameters of private requests to Binance: text from a query or a body, read strictly, refused in the venue's words.

In: names and texts. Out: decimals, enums, and the `Ask` of an order. A parameter nobody knows is ignored, as there.
"""

import enum
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from perpscope.lab.accounts.orders import Ask, Held, Kind, Lasting
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.wire.binance import asked
from perpscope.model.market import Side

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_Choice = TypeVar("_Choice", bound=enum.Enum)
_WORKING = {"MARK_PRICE": True, "CONTRACT_PRICE": False}


class Params:
    """What a request says."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name: value for name, value in values.items() if value != ""}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str) -> str:
        """As sent; empty if it was not."""
        return self._values.get(name, "")

    def text(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.get(name)
        if not value:
            raise asked.Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number, not negative; it must be there if there is no default."""
        value = self.text(name) if default is None else self.get(name)
        if not value and default is not None:
            return default
        if not (value.isascii() and value.isdecimal()):
            raise asked.Refused(-1130, f"Data sent for parameter '{name}' is not valid.")
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        """A number, not negative; None if it was not sent."""
        value = self.get(name)
        if not value:
            return None
        if not _NUMBER.fullmatch(value):
            legal = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
            raise asked.Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        return Decimal(value)

    def number(self, name: str) -> Decimal:
        """A number that must be there."""
        self.text(name)
        return self.decimal(name) or Decimal(0)

    def flag(self, name: str) -> bool:
        """True, or false; false if it was not sent."""
        value = self.get(name).lower()
        if value not in ("", "true", "false"):
            raise asked.Refused(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value == "true"

    def choice(self, name: str, kind: type[_Choice], refusal: tuple[int, str], default: str = "") -> _Choice:
        """One of a set of words."""
        value = self.get(name) or default or self.text(name)
        try:
            return kind(value)
        except ValueError:
            raise asked.Refused(*refusal) from None

    def held(self) -> Held:
        """Which position is meant."""
        return self.choice("positionSide", Held, (-4060, "Invalid position side."), "BOTH")

    def window(self, now_ms: int, reach_ms: int) -> tuple[int, int]:
        """Start and end of a search, ms, both included: `reach_ms` after a start, before an end, or before now."""
        if "startTime" in self:
            start = self.integer("startTime")
            end = self.integer("endTime", start + reach_ms)
        else:
            end = self.integer("endTime", now_ms)
            start = max(0, end - reach_ms)
        if start > end:
            raise asked.Refused(-1023, "Start time is greater than end time.")
        if end - start > reach_ms:
            raise asked.Refused(-4166, "Search window is restricted to recent days only.")
        return start, end

    def limit(self, default: int, most: int) -> int:
        """How many rows."""
        return min(self.integer("limit", default), most)


def order(params: Params) -> Ask:
    """A plain order.

    Raises:
        asked.Refused: it says something that makes no sense.
        Refused: it is a conditional one.
    """
    symbol, side, kind = _what(params)
    if kind.is_conditional:
        raise Refused(Reason.CONDITIONAL_HERE)
    lasting = _lasting(params, Lasting.GTC if kind is Kind.MARKET else None)
    if kind is Kind.MARKET and "timeInForce" in params:
        raise asked.Refused(-1106, "Parameter 'timeInForce' sent when not required.")
    return Ask(
        symbol=symbol,
        side=side,
        kind=kind,
        size=params.decimal("quantity"),
        price=params.decimal("price"),
        lasting=lasting,
        held=params.held(),
        reduces=params.flag("reduceOnly"),
        client_id=params.get("newClientOrderId"),
        good_till_ms=params.integer("goodTillDate", 0),
        self_trade=params.get("selfTradePreventionMode") or "EXPIRE_MAKER",
        price_match=_unmatched(params),
    )


def conditional(params: Params) -> Ask:
    """A conditional order.

    Raises:
        asked.Refused: it says something that makes no sense.
    """
    if params.text("algoType") != "CONDITIONAL":
        raise asked.Refused(-1130, "Data sent for parameter 'algoType' is not valid.")
    symbol, side, kind = _what(params)
    working = params.get("workingType") or "CONTRACT_PRICE"
    if working not in _WORKING:
        raise asked.Refused(-1130, "Data sent for parameter 'workingType' is not valid.")
    return Ask(
        symbol=symbol,
        side=side,
        kind=kind,
        size=params.decimal("quantity"),
        price=params.decimal("price"),
        lasting=_lasting(params, Lasting.GTC),
        held=params.held(),
        reduces=params.flag("reduceOnly"),
        closes=params.flag("closePosition"),
        client_id=params.get("clientAlgoId"),
        good_till_ms=params.integer("goodTillDate", 0),
        trigger=params.decimal("triggerPrice"),
        by_mark=_WORKING[working],
        is_protected=params.get("priceProtect").lower() == "true",
        activation=params.decimal("activatePrice"),
        callback_pct=params.decimal("callbackRate"),
        self_trade=params.get("selfTradePreventionMode") or "EXPIRE_MAKER",
        price_match=_unmatched(params),
    )


def _what(params: Params) -> tuple[str, Side, Kind]:
    return (
        params.text("symbol"),
        params.choice("side", Side, (-1117, "Invalid side.")),
        params.choice("type", Kind, (-1116, "Invalid orderType.")),
    )


def _lasting(params: Params, default: Lasting | None) -> Lasting:
    refusal = (-1115, "Invalid timeInForce.")
    return params.choice("timeInForce", Lasting, refusal, "" if default is None else default.value)


def _unmatched(params: Params) -> str:
    """The lab sets no price for anybody: `priceMatch` other than NONE is refused."""
    found = params.get("priceMatch") or "NONE"
    if found != "NONE":
        raise asked.Refused(-5038, "Price match is not supported for this order type.")
    return found
