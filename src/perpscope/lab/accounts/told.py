"""What an account is told as it happens: the exchange's side of a user data stream, before any venue has words for it.

Each is told at the moment its change is made, one change at a time: whoever looks at the account when he is told finds
exactly what the event says.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

import msgspec

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.orders import Algo, Fill, Order, Turn
from perpscope.lab.accounts.positions import Position


class OrderTold(msgspec.Struct, frozen=True):
    """Something happened to an order."""

    order: Order
    turn: Turn
    fill: Fill | None = None


class WalletTold(msgspec.Struct, frozen=True):
    """A wallet or a position has changed."""

    reason: str  #: ORDER, FUNDING_FEE, MARGIN_TRANSFER, DEPOSIT, WITHDRAW, INSURANCE_CLEAR or MARGIN_TYPE_CHANGE
    positions: tuple[Position, ...]
    change: Decimal  #: of the wallet by anything but trading, quote units


class AlgoTold(msgspec.Struct, frozen=True):
    """Something happened to a conditional order."""

    algo: Algo


class CallTold(msgspec.Struct, frozen=True):
    """Margin runs low."""

    positions: tuple[Position, ...]


class LeverageTold(msgspec.Struct, frozen=True):
    """A contract's leverage was changed."""

    symbol: str
    leverage: int


class AssetsTold(msgspec.Struct, frozen=True):
    """The assets mode was changed."""

    is_multi_asset: bool


Told: TypeAlias = OrderTold | WalletTold | AlgoTold | CallTold | LeverageTold | AssetsTold
Listener: TypeAlias = Callable[[Account, Told], None]
