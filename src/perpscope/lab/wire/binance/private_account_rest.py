"""Binance's routes for an account: balances, positions, income, brackets, and what its owner chooses.

Each takes an account and parameters, and returns what becomes JSON. Versions 2 and 3 of a route differ in fields only.
"""

from decimal import Decimal

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.accounts.figures import figures
from perpscope.lab.accounts.orders import ZERO, Income
from perpscope.lab.accounts.positions import Position
from perpscope.lab.wire.binance import asked, private_positions
from perpscope.lab.wire.binance.orders_rest import Reply
from perpscope.lab.wire.binance.orders_told import Json, money
from perpscope.lab.wire.binance.payloads import BRACKETS
from perpscope.lab.wire.binance.private_asked import Params

_WEEK_MS = 7 * 86_400_000
_OK: Json = {"code": 200, "msg": "success"}
_ASSET = "USDT"
_MARGIN_TYPES = {"ISOLATED": True, "CROSSED": False}
_ADDED, _REMOVED = 1, 2


class AccountRoutes:
    """Answers about an account.

    Args:
        accounts: the exchange's desk.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._prices = accounts.prices

    # balances and positions ----------------------------------------------------------------------------------------

    def balance(self, account: Account, _: Params) -> Reply:
        """GET balance, v2 and v3."""
        sums = figures(account, self._prices)
        row: Json = {
            "accountAlias": "SgsR",
            "asset": _ASSET,
            "balance": money(sums.wallet),
            "crossWalletBalance": money(sums.cross_wallet),
            "crossUnPnl": money(sums.cross_unrealised),
            "availableBalance": money(sums.available),
            "maxWithdrawAmount": money(_withdrawable(sums.available, sums.cross_unrealised)),
            "marginAvailable": True,
            "updateTime": self._prices.now_ms,
        }
        return [row, *(self._coin(coin, has) for coin, has in account.coins.items())]

    def _coin(self, coin: str, has: Decimal) -> Json:
        """A balance that is no margin: what fees are paid from."""
        none = dict.fromkeys(("crossUnPnl", "availableBalance", "maxWithdrawAmount"), money(ZERO))
        row: Json = {"accountAlias": "SgsR", "asset": coin, "balance": money(has), "crossWalletBalance": money(has)}
        return row | none | {"marginAvailable": False, "updateTime": self._prices.now_ms}

    def status(self, account: Account, _: Params) -> Json:
        """GET v3/account: positions that are held or asked for."""
        rows = [private_positions.summed(account, one, self._prices) for one in self._shown(account)]
        return self._totals(account) | {"positions": rows}

    def status_v2(self, account: Account, _: Params) -> Json:
        """GET v2/account: every contract."""
        everything = [one for symbol in self._prices.contracts for one in account.sides(symbol)]
        rows = [private_positions.summed_v2(account, one, self._prices) for one in everything]
        head: Json = {
            "feeTier": 0,
            "feeBurn": False,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": False,
            "updateTime": 0,
            "multiAssetsMargin": account.is_multi_asset,
            "tradeGroupId": -1,
        }
        return head | self._totals(account) | {"positions": rows}

    def _totals(self, account: Account) -> Json:
        sums = figures(account, self._prices)
        needed = sums.position_margin + sums.order_margin
        withdrawable = money(_withdrawable(sums.available, sums.cross_unrealised))
        asset: Json = {
            "asset": _ASSET,
            "walletBalance": money(sums.wallet),
            "unrealizedProfit": money(sums.unrealised),
            "marginBalance": money(sums.wallet + sums.unrealised),
            "maintMargin": money(sums.maintenance),
            "initialMargin": money(needed),
            "positionInitialMargin": money(sums.position_margin),
            "openOrderInitialMargin": money(sums.order_margin),
            "crossWalletBalance": money(sums.cross_wallet),
            "crossUnPnl": money(sums.cross_unrealised),
            "availableBalance": money(sums.available),
            "maxWithdrawAmount": withdrawable,
            "marginAvailable": True,
            "updateTime": self._prices.now_ms,
        }
        return {
            "totalInitialMargin": money(needed),
            "totalMaintMargin": money(sums.maintenance),
            "totalWalletBalance": money(sums.wallet),
            "totalUnrealizedProfit": money(sums.unrealised),
            "totalMarginBalance": money(sums.wallet + sums.unrealised),
            "totalPositionInitialMargin": money(sums.position_margin),
            "totalOpenOrderInitialMargin": money(sums.order_margin),
            "totalCrossWalletBalance": money(sums.cross_wallet),
            "totalCrossUnPnl": money(sums.cross_unrealised),
            "availableBalance": money(sums.available),
            "maxWithdrawAmount": withdrawable,
            "assets": [asset],
        }

    def risks(self, account: Account, params: Params) -> Reply:
        """GET v3/positionRisk: positions that are held or asked for."""
        symbol = params.get("symbol")
        shown = [one for one in self._shown(account) if symbol in ("", one.symbol)]
        return [private_positions.at_risk(account, one, self._prices) for one in shown]

    def risks_v2(self, account: Account, params: Params) -> Reply:
        """GET v2/positionRisk: every contract, or one."""
        symbols = [self._prices.rules(params.get("symbol")).symbol] if "symbol" in params else self._prices.contracts
        sides = [one for symbol in symbols for one in account.sides(symbol)]
        return [private_positions.at_risk_v2(account, one, self._prices) for one in sides]

    def _shown(self, account: Account) -> list[Position]:
        asked_for = {(order.ask.symbol, order.ask.held) for order in account.open.values()}
        return [
            one
            for symbol in self._prices.contracts
            for one in account.sides(symbol)
            if one.size or (symbol, one.held) in asked_for
        ]

    def queues(self, account: Account, params: Params) -> Reply:
        """GET adlQuantile: the lab has no queue; everybody is at its end."""
        symbol = params.get("symbol")
        rows: list[Json] = []
        for one in account.positions(symbol or None):
            rows.append({"symbol": one.symbol, "adlQuantile": {one.held.value: 0}})
        return rows

    # money ---------------------------------------------------------------------------------------------------------

    def income(self, account: Account, params: Params) -> Reply:
        """GET income: of the last seven days, oldest first."""
        start, end = params.window(self._prices.now_ms, 90 * 86_400_000)
        if "startTime" not in params:
            start = max(start, end - _WEEK_MS)
        kind, symbol = params.get("incomeType"), params.get("symbol")
        rows = [
            row
            for row in account.incomes
            if start <= row.ts_ms <= end and kind in ("", row.kind) and symbol in ("", row.symbol)
        ]
        limit, page = params.limit(100, 1000), params.integer("page", 1) or 1
        return [_earned(row) for row in rows[(page - 1) * limit : page * limit]]

    def commission(self, _: Account, params: Params) -> Json:
        """GET commissionRate."""
        house = self._accounts.house
        return {
            "symbol": self._prices.rules(params.text("symbol")).symbol,
            "makerCommissionRate": format(house.maker_fee, "f"),
            "takerCommissionRate": format(house.taker_fee, "f"),
            "rpiCommissionRate": "0.00000",
        }

    def brackets(self, _: Account, params: Params) -> Reply:
        """GET leverageBracket: of all contracts, or of one."""
        symbol = params.get("symbol")
        chosen = [self._prices.rules(symbol).symbol] if symbol else list(self._prices.contracts)
        rows = [
            {
                "bracket": number,
                "initialLeverage": most,
                "notionalCap": cap,
                "notionalFloor": floor,
                "maintMarginRatio": rate,
                "cum": float(deduction),
            }
            for number, (floor, cap, rate, deduction, _, most) in enumerate(BRACKETS, start=1)
        ]
        return [{"symbol": name, "notionalCoef": 1.0, "brackets": rows} for name in chosen]

    # choices -------------------------------------------------------------------------------------------------------

    def set_leverage(self, account: Account, params: Params) -> Json:
        """POST leverage."""
        symbol, leverage = self._prices.rules(params.text("symbol")).symbol, params.integer("leverage")
        largest = self._accounts.settings.leverage(account, symbol, leverage)
        return {"leverage": leverage, "maxNotionalValue": f"{largest:.0f}", "symbol": symbol}

    def set_margin_type(self, account: Account, params: Params) -> Json:
        """POST marginType."""
        kind = params.text("marginType").upper()
        if kind not in _MARGIN_TYPES:
            raise asked.Refused(-4049, "Add margin only support for isolated position.")
        self._accounts.settings.isolate(account, params.text("symbol"), _MARGIN_TYPES[kind])
        return _OK

    def set_mode(self, account: Account, params: Params) -> Json:
        """POST positionSide/dual."""
        params.text("dualSidePosition")
        self._accounts.settings.hedge(account, params.flag("dualSidePosition"))
        return _OK

    def mode(self, account: Account, _: Params) -> Json:
        """GET positionSide/dual."""
        return {"dualSidePosition": account.is_hedged}

    def set_assets(self, account: Account, params: Params) -> Json:
        """POST multiAssetsMargin."""
        params.text("multiAssetsMargin")
        self._accounts.settings.join_assets(account, params.flag("multiAssetsMargin"))
        return _OK

    def assets(self, account: Account, _: Params) -> Json:
        """GET multiAssetsMargin."""
        return {"multiAssetsMargin": account.is_multi_asset}

    def move_margin(self, account: Account, params: Params) -> Json:
        """POST positionMargin: type 1 adds, 2 takes back."""
        amount, kind = params.number("amount"), params.integer("type")
        if kind not in (_ADDED, _REMOVED):
            raise asked.Refused(-1130, "Data sent for parameter 'type' is not valid.")
        signed = amount if kind == _ADDED else -amount
        self._accounts.settings.add_margin(account, params.text("symbol"), params.held(), signed)
        return {"amount": float(amount), "code": 200, "msg": "Successfully modify position margin.", "type": kind}

    def margin_moves(self, account: Account, params: Params) -> Reply:
        """GET positionMargin/history."""
        symbol = params.text("symbol")
        rows = [row for row in account.margin_changes if row[0] == symbol]
        return [
            {
                "symbol": symbol,
                "type": _ADDED if amount > 0 else _REMOVED,
                "deltaType": "USER_ADJUST",
                "amount": money(amount),
                "asset": _ASSET,
                "time": ts_ms,
                "positionSide": held.value,
            }
            for _, held, amount, ts_ms in rows[-params.limit(500, 500) :]
        ]

    def config(self, account: Account, _: Params) -> Json:
        """GET accountConfig."""
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": False,
            "dualSidePosition": account.is_hedged,
            "updateTime": 0,
            "multiAssetsMargin": account.is_multi_asset,
            "tradeGroupId": -1,
        }

    def contract_configs(self, account: Account, params: Params) -> Reply:
        """GET symbolConfig."""
        symbol = params.get("symbol")
        chosen = [self._prices.rules(symbol).symbol] if symbol else list(self._prices.contracts)
        return [
            {
                "symbol": name,
                "marginType": "ISOLATED" if name in account.isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": account.leverage(name),
                "maxNotionalValue": private_positions.largest(account.leverage(name), self._prices.rules(name)),
            }
            for name in chosen
        ]


def trading_status(_: Account, __: Params) -> Json:
    """GET apiTradingStatus: nobody is held back."""
    return {"indicators": {}, "updateTime": 0}


def fee_burn(account: Account, _: Params) -> Json:
    """GET feeBurn: whether fees are paid in the exchange's own coin."""
    return {"feeBurn": bool(account.fee_coin)}


def restrictions(account: Account, _: Params) -> Json:
    """GET /sapi/v1/account/apiRestrictions: what the key may do."""
    rights = account.rights
    return {
        "ipRestrict": rights.is_bound_to_address,
        "createTime": 0,
        "enableReading": True,
        "enableFutures": rights.can_trade,
        "enableSpotAndMarginTrading": False,
        "enableMargin": False,
        "enableVanillaOptions": False,
        "enablePortfolioMarginTrading": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableWithdrawals": rights.can_withdraw,
        "enableInternalTransfer": rights.can_transfer,
        "permitsUniversalTransfer": rights.can_transfer,
    }


def coins(_: Account, __: Params) -> Reply:
    """GET /sapi/v1/capital/config/getall: what ccxt asks first when it has keys."""
    row: Json = {
        "coin": _ASSET,
        "name": "TetherUS",
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "free": "0",
        "locked": "0",
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": False,
        "trading": True,
        "networkList": [],
    }
    return [row]


def pairs(_: Account, __: Params) -> Reply:
    """GET /sapi/v1/margin/allPairs: none."""
    return []


def _withdrawable(available: Decimal, unrealised: Decimal) -> Decimal:
    return max(ZERO, available - max(ZERO, unrealised))


def _earned(row: Income) -> Json:
    return {
        "symbol": row.symbol,
        "incomeType": row.kind,
        "income": money(row.amount),
        "asset": row.coin or _ASSET,
        "info": row.kind,
        "time": row.ts_ms,
        "tranId": row.id,
        "tradeId": str(row.fill_id) if row.fill_id else "",
    }
