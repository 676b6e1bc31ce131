"""What Binance says when it refuses: codes and messages for the reasons of `lab.accounts`.

Codes are those of `venues/binance.md` and of the venue's error-code page ("Error Codes", USDⓈ-M futures); the wording
varies with the years, so that clients go by the code.
"""

from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.wire.binance import asked

_MANDATORY = (-1102, "Mandatory parameter '{}' was not sent, was empty/null, or malformed.")
_WORDS: dict[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Reason.NOT_TRADING: (-4140, "Invalid symbol status for opening position."),
    Reason.SIZE_MISSING: _MANDATORY,
    Reason.SIZE_NOT_WANTED: (-4137, "Quantity must be zero with closePosition equals true."),
    Reason.SIZE_NOT_POSITIVE: (-4003, "Quantity less than or equal to zero."),
    Reason.SIZE_PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    Reason.SIZE_TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    Reason.PRICE_MISSING: _MANDATORY,
    Reason.PRICE_NOT_WANTED: (-1106, "Parameter '{}' sent when not required."),
    Reason.PRICE_NOT_POSITIVE: (-4001, "Price less than 0."),
    Reason.PRICE_PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    Reason.PRICE_OFF_TICK: (-4014, "Price not increased by tick size."),
    Reason.PRICE_TOO_HIGH: (-4016, "Limit price can't be higher than {}."),
    Reason.PRICE_TOO_LOW: (-4024, "Limit price can't be lower than {}."),
    Reason.GOOD_TILL: (
        -5040,
        "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than "
        "253402300799000",
    ),
    Reason.NOTIONAL: (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    Reason.NO_LIQUIDITY: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    Reason.MARGIN: (-2019, "Margin is insufficient."),
    Reason.BRACKET: (-2027, "Exceeded the maximum allowable position at current leverage."),
    Reason.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    Reason.TOO_MANY_CONDITIONAL: (-4045, "Reach max stop order limit."),
    Reason.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.CLIENT_ID: (-4015, "Client order id is not valid."),
    Reason.CONDITIONAL_HERE: (
        -4120,
        "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    ),
    Reason.NOT_CONDITIONAL: (-1116, "Invalid orderType."),
    Reason.TRIGGER_MISSING: _MANDATORY,
    Reason.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Reason.CALLBACK: (-2007, "Invalid callBack rate."),
    Reason.CLOSING_TWICE: (
        -4130,
        "An open stop or take profit order with GTE and closePosition in the direction is existing.",
    ),
    Reason.CLOSING_KIND: (-4136, "Target strategy invalid for orderType and closePosition."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.REDUCE_ONLY_USED: (
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders",
    ),
    Reason.REDUCE_ONLY_HEDGED: (-1106, "Parameter 'reduceonly' sent when not required."),
    Reason.WRONG_HELD: (-4061, "Order's position side does not match user's setting."),
    Reason.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be "
        "recorded in the order history",
    ),
    Reason.NOT_FILLABLE: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be "
        "recorded in the order history",
    ),
    Reason.UNKNOWN_TO_CANCEL: (-2011, "Unknown order sent."),
    Reason.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Reason.NO_CHANGE: (-5027, "No need to modify the order."),
    Reason.LEVERAGE: (-4028, "Leverage {} is not valid"),
    Reason.LEVERAGE_MARGIN: (-2028, "Leverage is smaller than permitted: insufficient margin balance."),
    Reason.LEVERAGE_POSITION: (
        -4161,
        "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    ),
    Reason.SAME_MARGIN_TYPE: (-4046, "No need to change margin type."),
    Reason.MARGIN_TYPE_ORDERS: (-4047, "Margin type cannot be changed if there exists open orders."),
    Reason.MARGIN_TYPE_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    Reason.SAME_MODE: (-4059, "No need to change position side."),
    Reason.MODE_ORDERS: (-4067, "Position side cannot be changed if there exists open orders."),
    Reason.MODE_POSITION: (-4068, "Position side cannot be changed if there exists position."),
    Reason.NOT_ISOLATED: (-4046, "Margin can only be added to isolated positions."),
    Reason.NO_POSITION: (-4054, "Cannot add position margin: position is 0."),
    Reason.WALLET: (-4050, "Cross balance insufficient."),
    Reason.ISOLATED_WALLET: (-4051, "Isolated balance insufficient."),
    Reason.LISTEN_KEY: (-1125, "This listenKey does not exist."),
}


def worded(refused: Refused) -> asked.Refused:
    """A refusal in Binance's words."""
    code, message = _WORDS[refused.reason]
    return asked.Refused(code, message.format(refused.detail))
