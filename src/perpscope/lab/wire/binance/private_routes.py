"""Binance's private routes: method and path → weight, security, and who answers. Weights are per IP, as documented."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from perpscope.analytics.margin_tiers import TierTable, tier_table
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.listing import Listing
from perpscope.lab.wire.binance import limits, private_account_rest
from perpscope.lab.wire.binance.algo_rest import AlgoRoutes
from perpscope.lab.wire.binance.orders_rest import OrderRoutes
from perpscope.lab.wire.binance.orders_unseen import Unseen
from perpscope.lab.wire.binance.payloads import BRACKETS
from perpscope.lab.wire.binance.private_account_rest import AccountRoutes
from perpscope.lab.wire.binance.private_asked import Params
from perpscope.lab.wire.binance.private_security import Security
from perpscope.lab.wire.binance.user_data import ListenKeys
from perpscope.model.instrument import MarginTier

_Handler: TypeAlias = Callable[[Account, Params], object]
_Amount: TypeAlias = Callable[[Params], int]
_BATCH = 5


class Route(msgspec.Struct, frozen=True):
    """One method of one path."""

    handler: _Handler
    weight: _Amount
    security: Security = Security.SIGNED
    orders: _Amount | None = None  #: how much of the order limits it takes


class Routes(msgspec.Struct, frozen=True):
    """All of them."""

    of: Mapping[tuple[str, str], Route]
    unseen: Unseen


def tiers(_: Listing) -> TierTable:
    """The brackets the lab publishes, the same for every contract."""
    return tier_table(
        [
            MarginTier(float(floor), float(cap), rate, float(most), float(deduction))
            for floor, cap, rate, deduction, _, most in BRACKETS
        ]
    )


def routes(accounts: Accounts, listen_keys: ListenKeys) -> Routes:
    """The private routes of one exchange."""
    unseen = Unseen(accounts.prices)
    found: dict[tuple[str, str], Route] = {}
    found |= _of_orders(OrderRoutes(accounts, unseen))
    found |= _of_algos(AlgoRoutes(accounts, unseen))
    found |= _of_account(AccountRoutes(accounts))
    key = Security.KEY
    path = "/fapi/v1/listenKey"
    found["POST", path] = Route(lambda a, _: {"listenKey": listen_keys.start(a)}, _each(1), key)
    found["PUT", path] = Route(lambda a, _: {"listenKey": listen_keys.extend(a)}, _each(1), key)
    found["DELETE", path] = Route(lambda a, _: listen_keys.close(a), _each(1), key)
    return Routes(found, unseen)


def _of_orders(routes: OrderRoutes) -> dict[tuple[str, str], Route]:
    one, batch = _each(1), _each(_BATCH)
    return {
        ("POST", "/fapi/v1/order"): Route(routes.place, _each(0), orders=one),
        ("POST", "/fapi/v1/order/test"): Route(routes.test, _each(1)),
        ("PUT", "/fapi/v1/order"): Route(routes.amend, _each(1), orders=one),
        ("DELETE", "/fapi/v1/order"): Route(routes.cancel, _each(1)),
        ("GET", "/fapi/v1/order"): Route(routes.query, _each(1)),
        ("GET", "/fapi/v1/openOrder"): Route(routes.query_open, _each(1)),
        ("GET", "/fapi/v1/openOrders"): Route(routes.query_all_open, _by_symbol(1, 40)),
        ("GET", "/fapi/v1/allOrders"): Route(routes.history, _each(5)),
        ("GET", "/fapi/v1/userTrades"): Route(routes.fills, _each(5)),
        ("GET", "/fapi/v1/forceOrders"): Route(routes.forced, _by_symbol(20, 50)),
        ("GET", "/fapi/v1/orderAmendment"): Route(routes.amendments, _each(1)),
        ("DELETE", "/fapi/v1/allOpenOrders"): Route(routes.cancel_all, _each(1)),
        ("POST", "/fapi/v1/batchOrders"): Route(routes.place_several, _each(5), orders=batch),
        ("PUT", "/fapi/v1/batchOrders"): Route(routes.amend_several, _each(5), orders=batch),
        ("DELETE", "/fapi/v1/batchOrders"): Route(routes.cancel_several, _each(1)),
        ("POST", "/fapi/v1/countdownCancelAll"): Route(routes.count_down, _each(10)),
        ("GET", "/fapi/v1/rateLimit/order"): Route(lambda _, __: limits.ORDER_LIMITS, _each(1)),
    }


def _of_algos(routes: AlgoRoutes) -> dict[tuple[str, str], Route]:
    return {
        ("POST", "/fapi/v1/algoOrder"): Route(routes.place, _each(0), orders=_each(1)),
        ("DELETE", "/fapi/v1/algoOrder"): Route(routes.cancel, _each(1)),
        ("GET", "/fapi/v1/algoOrder"): Route(routes.query, _each(1)),
        ("DELETE", "/fapi/v1/algoOpenOrders"): Route(routes.cancel_all, _each(1)),
        ("GET", "/fapi/v1/openAlgoOrders"): Route(routes.query_all_open, _by_symbol(1, 40)),
        ("GET", "/fapi/v1/allAlgoOrders"): Route(routes.history, _each(5)),
    }


def _of_account(routes: AccountRoutes) -> dict[tuple[str, str], Route]:
    own = private_account_rest
    return {
        ("GET", "/fapi/v2/balance"): Route(routes.balance, _each(5)),
        ("GET", "/fapi/v3/balance"): Route(routes.balance, _each(5)),
        ("GET", "/fapi/v2/account"): Route(routes.status_v2, _each(5)),
        ("GET", "/fapi/v3/account"): Route(routes.status, _each(5)),
        ("GET", "/fapi/v2/positionRisk"): Route(routes.risks_v2, _each(5)),
        ("GET", "/fapi/v3/positionRisk"): Route(routes.risks, _each(5)),
        ("GET", "/fapi/v1/adlQuantile"): Route(routes.queues, _each(5)),
        ("GET", "/fapi/v1/income"): Route(routes.income, _each(30)),
        ("GET", "/fapi/v1/commissionRate"): Route(routes.commission, _each(20)),
        ("GET", "/fapi/v1/leverageBracket"): Route(routes.brackets, _each(1)),
        ("POST", "/fapi/v1/leverage"): Route(routes.set_leverage, _each(1)),
        ("POST", "/fapi/v1/marginType"): Route(routes.set_margin_type, _each(1)),
        ("POST", "/fapi/v1/positionSide/dual"): Route(routes.set_mode, _each(1)),
        ("GET", "/fapi/v1/positionSide/dual"): Route(routes.mode, _each(30)),
        ("POST", "/fapi/v1/multiAssetsMargin"): Route(routes.set_assets, _each(1)),
        ("GET", "/fapi/v1/multiAssetsMargin"): Route(routes.assets, _each(30)),
        ("POST", "/fapi/v1/positionMargin"): Route(routes.move_margin, _each(1)),
        ("GET", "/fapi/v1/positionMargin/history"): Route(routes.margin_moves, _each(1)),
        ("GET", "/fapi/v1/accountConfig"): Route(routes.config, _each(5)),
        ("GET", "/fapi/v1/symbolConfig"): Route(routes.contract_configs, _each(5)),
        ("GET", "/fapi/v1/apiTradingStatus"): Route(own.trading_status, _by_symbol(1, 10)),
        ("GET", "/fapi/v1/feeBurn"): Route(own.fee_burn, _each(30)),
        ("GET", "/sapi/v1/account/apiRestrictions"): Route(own.restrictions, _each(1)),
        ("GET", "/sapi/v1/capital/config/getall"): Route(own.coins, _each(10)),
        ("GET", "/sapi/v1/margin/allPairs"): Route(own.pairs, _each(1), Security.KEY),
    }


def _each(weight: int) -> _Amount:
    return lambda _: weight


def _by_symbol(one: int, every: int) -> _Amount:
    return lambda params: one if "symbol" in params else every
