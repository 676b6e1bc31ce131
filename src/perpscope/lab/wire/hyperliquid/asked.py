"""What may be asked of `POST /info`, one Struct per `type`, and what each weighs.

Decoding is validation: what does not fit is the venue's HTTP 422, as are the types that never existed
("liquidations", "allLiquidations", "forceOrder").
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

Address = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{40}$")]
IntervalName: TypeAlias = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"]
Ms = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]

LIGHT, HEAVY, _USUAL = 2, 60, 20
_PER_WEIGHT, _CANDLES_PER_WEIGHT = 20, 60


class Ask(msgspec.Struct, tag_field="type"):
    """Any of them."""


class Meta(Ask, tag="meta"):
    """The catalogue of one dex."""

    dex: str | None = None


class MetaAndAssetCtxs(Ask, tag="metaAndAssetCtxs"):
    """The catalogue and the asset contexts in its order."""

    dex: str | None = None


class AllPerpMetas(Ask, tag="allPerpMetas"):
    """The catalogues of all dexes."""


class PerpDexs(Ask, tag="perpDexs"):
    """The dexes; the first, unnamed one is null."""


class MarginTable(Ask, tag="marginTable"):
    """One margin table."""

    id: int


class SpotMeta(Ask, tag="spotMeta"):
    """Spot pairs and tokens."""


class SpotMetaAndAssetCtxs(Ask, tag="spotMetaAndAssetCtxs"):
    """Spot pairs and their contexts."""


class AllMids(Ask, tag="allMids"):
    """The mid of every coin."""

    dex: str | None = None


class L2Book(Ask, tag="l2Book"):
    """20 levels a side."""

    coin: str
    nSigFigs: int | None = None
    mantissa: int | None = None


class CandleRange(msgspec.Struct):
    """Of `candleSnapshot`; both times included."""

    coin: str
    interval: IntervalName
    startTime: Ms
    endTime: Ms | None = None


class CandleSnapshot(Ask, tag="candleSnapshot"):
    """Candles between two times."""

    req: CandleRange


class FundingHistory(Ask, tag="fundingHistory"):
    """Fundings between two times."""

    coin: str
    startTime: Ms
    endTime: Ms | None = None


class PredictedFundings(Ask, tag="predictedFundings"):
    """The next funding here and elsewhere."""


class RecentTrades(Ask, tag="recentTrades"):
    """The newest ten."""

    coin: str


class ExchangeStatus(Ask, tag="exchangeStatus"):
    """The venue's time."""


class PerpsAtOpenInterestCap(Ask, tag="perpsAtOpenInterestCap"):
    """Coins whose open interest may not grow."""

    dex: str | None = None


class Liquidatable(Ask, tag="liquidatable"):
    """Undocumented; has been seen to answer with an empty list."""


class ClearinghouseState(Ask, tag="clearinghouseState"):
    """Positions and margin of any account."""

    user: Address
    dex: str | None = None


class SpotClearinghouseState(Ask, tag="spotClearinghouseState"):
    """Balances of any account."""

    user: Address


class UserFills(Ask, tag="userFills"):
    """The newest fills of any account."""

    user: Address
    aggregateByTime: bool | None = None


class UserFillsByTime(Ask, tag="userFillsByTime"):
    """Fills between two times."""

    user: Address
    startTime: Ms
    endTime: Ms | None = None
    aggregateByTime: bool | None = None


class OpenOrders(Ask, tag="openOrders"):
    """Resting orders; nobody here is seen to have any."""

    user: Address
    dex: str | None = None


class FrontendOpenOrders(Ask, tag="frontendOpenOrders"):
    """Likewise."""

    user: Address
    dex: str | None = None


class HistoricalOrders(Ask, tag="historicalOrders"):
    """Likewise."""

    user: Address


class UserFunding(Ask, tag="userFunding"):
    """Funding payments of an account; none are made here."""

    user: Address
    startTime: Ms
    endTime: Ms | None = None


class UserRole(Ask, tag="userRole"):
    """What kind of account it is."""

    user: Address


Request: TypeAlias = (
    Meta
    | MetaAndAssetCtxs
    | AllPerpMetas
    | PerpDexs
    | MarginTable
    | SpotMeta
    | SpotMetaAndAssetCtxs
    | AllMids
    | L2Book
    | CandleSnapshot
    | FundingHistory
    | PredictedFundings
    | RecentTrades
    | ExchangeStatus
    | PerpsAtOpenInterestCap
    | Liquidatable
    | ClearinghouseState
    | SpotClearinghouseState
    | UserFills
    | UserFillsByTime
    | OpenOrders
    | FrontendOpenOrders
    | HistoricalOrders
    | UserFunding
    | UserRole
)
decode = msgspec.json.Decoder(Request).decode


def weight(asked: Request, rows: int) -> int:
    """What a request costs of the 1200 a minute, with the rows of its reply."""
    match asked:
        case L2Book() | AllMids() | ClearinghouseState() | SpotClearinghouseState() | ExchangeStatus():
            return LIGHT
        case UserRole():
            return HEAVY
        case CandleSnapshot():
            return _USUAL + rows // _CANDLES_PER_WEIGHT
        case RecentTrades() | FundingHistory() | UserFills() | UserFillsByTime() | HistoricalOrders() | UserFunding():
            return _USUAL + rows // _PER_WEIGHT
        case _:
            return _USUAL
