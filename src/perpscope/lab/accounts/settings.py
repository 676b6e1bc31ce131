"""What an account's owner chooses: leverage, cross or isolated margin, one-way or hedge mode, margin of a position.

In: requests. Out: the account changed, and told; or `Refused`.
"""

from decimal import Decimal

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.clerk import Clerk
from perpscope.lab.accounts.figures import figures, initial, maintenance
from perpscope.lab.accounts.orders import ZERO, Held
from perpscope.lab.accounts.positions import Position
from perpscope.lab.accounts.prices import Prices
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.accounts.told import AssetsTold, LeverageTold, WalletTold


class Settings:
    """Changes of accounts' settings.

    Args:
        clerk: the books.
        prices: the market.
    """

    def __init__(self, clerk: Clerk, prices: Prices) -> None:
        self._clerk = clerk
        self._prices = prices

    def leverage(self, account: Account, symbol: str, leverage: int) -> float:
        """Choose a contract's leverage.

        Returns:
            The largest position it allows, quote units.

        Raises:
            Refused: it is not offered, an isolated position's may not fall, or the margin does not suffice for it.
        """
        table = self._prices.rules(symbol).table
        if not 1 <= leverage <= max(table.leverages):
            raise Refused(Reason.LEVERAGE, str(leverage))
        largest = table.largest(float(leverage)) or 0.0
        for position in account.known(symbol):
            value = abs(position.size) * self._prices.mark(symbol)
            if position.size and position.is_isolated and leverage < position.leverage:
                raise Refused(Reason.LEVERAGE_POSITION)
            if float(value) > largest:
                raise Refused(Reason.BRACKET)
        before = account.leverage(symbol)
        self._set(account, symbol, leverage)
        sums = figures(account, self._prices)
        needed = sums.cross_wallet + sums.cross_unrealised - sums.order_margin - self._cross_margin(account)
        if needed < 0 and leverage < before:
            self._set(account, symbol, before)
            raise Refused(Reason.LEVERAGE_MARGIN)
        self._clerk.tell(account, LeverageTold(symbol, leverage))
        return largest

    def _cross_margin(self, account: Account) -> Decimal:
        return sum(
            (initial(one, self._prices.mark(one.symbol)) for one in account.positions() if not one.is_isolated), ZERO
        )

    def _set(self, account: Account, symbol: str, leverage: int) -> None:
        account.leverages[symbol] = leverage
        for position in account.known(symbol):
            position.leverage = leverage

    def isolate(self, account: Account, symbol: str, is_isolated: bool) -> None:
        """Choose isolated or cross margin of a contract; only while it has neither position nor order.

        Raises:
            Refused: it is chosen already, or there is one.
        """
        self._prices.rules(symbol)
        if (symbol in account.isolated) is is_isolated:
            raise Refused(Reason.SAME_MARGIN_TYPE)
        if account.opens(symbol) or account.waits(symbol):
            raise Refused(Reason.MARGIN_TYPE_ORDERS)
        if any(account.positions(symbol)):
            raise Refused(Reason.MARGIN_TYPE_POSITION)
        (account.isolated.add if is_isolated else account.isolated.discard)(symbol)
        for position in account.known(symbol):
            position.is_isolated = is_isolated
        self._clerk.tell(account, WalletTold("MARGIN_TYPE_CHANGE", tuple(account.sides(symbol)), ZERO))

    def hedge(self, account: Account, is_hedged: bool) -> None:
        """Choose hedge or one-way mode; only while there is neither position nor order at all.

        Raises:
            Refused: it is chosen already, or there is one.
        """
        if account.is_hedged is is_hedged:
            raise Refused(Reason.SAME_MODE)
        if account.open or account.waiting:
            raise Refused(Reason.MODE_ORDERS)
        if any(account.positions()):
            raise Refused(Reason.MODE_POSITION)
        account.is_hedged = is_hedged

    def join_assets(self, account: Account, is_multi_asset: bool) -> None:
        """Choose the assets mode. It is kept and told; with one asset in the wallet it changes nothing else.

        Raises:
            Refused: it is chosen already.
        """
        if account.is_multi_asset is is_multi_asset:
            raise Refused(Reason.SAME_MODE, "multiAssetsMargin")
        account.is_multi_asset = is_multi_asset
        self._clerk.tell(account, AssetsTold(is_multi_asset))

    def add_margin(self, account: Account, symbol: str, held: Held, amount: Decimal) -> None:
        """Move margin to an isolated position, or back from it where the amount is below 0.

        Raises:
            Refused: it is cross or flat, or that much is not there.
        """
        self._prices.rules(symbol)
        if (held is not Held.BOTH) is not account.is_hedged:
            raise Refused(Reason.WRONG_HELD)
        position = account.position(symbol, held)
        if not position.is_isolated:
            raise Refused(Reason.NOT_ISOLATED)
        if not position.size:
            raise Refused(Reason.NO_POSITION)
        if amount > figures(account, self._prices).available:
            raise Refused(Reason.WALLET)
        if -amount > self._removable(position):
            raise Refused(Reason.ISOLATED_WALLET)
        position.wallet += amount
        account.margin_changes.append((symbol, held, amount, self._prices.now_ms))
        self._clerk.tell(account, WalletTold("MARGIN_TRANSFER", (position,), ZERO))

    def _removable(self, position: Position) -> Decimal:
        """What a position keeps beyond its initial margin, and beyond its maintenance margin."""
        mark = self._prices.mark(position.symbol)
        kept = max(initial(position, mark), maintenance(position, mark, self._prices.rules(position.symbol).table))
        return max(ZERO, min(position.wallet, position.wallet + position.unrealised(mark) - kept))
