"""What all of OKX's messages share: bounds of numbers and times, the envelope, and the measure of a contract.

https://www.okx.com/docs-v5/en/#overview-websocket-overview
Numbers and times (ms UTC) come as strings; decoding is validation. Sizes are **contracts**, which `Measure` turns into
base units. `trading_data` and `public_data` hold the messages, as OKX's own pages divide them.
"""

from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec

from perpscope.model.instrument import Instrument, InstrumentId

MS = 1_000_000  #: ns in a millisecond
HOUR_MS = 3_600_000

_FIRST_MS, _END_MS = 1_483_228_800_000, 4_102_444_800_000
#: ms UTC from 2017-01-01 to 2100-01-01: seconds, microseconds and garbage fall outside.
Millis = Annotated[int, msgspec.Meta(ge=_FIRST_MS, lt=_END_MS)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
#: Numbers come as strings; the bounds keep out the "nan" and "inf" that a lax reading would let through.
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
#: Contracts of something that happened; the least of them is above zero after conversion, too.
Contracts = Annotated[float, msgspec.Meta(ge=1e-12, lt=1e15)]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]
#: `side` of a trade or an order.
OrderSide: TypeAlias = Literal["buy", "sell"]


class Arg(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was subscribed to. Encoded, it is the topic's name."""

    channel: str
    instType: str = ""
    instFamily: str = ""
    instId: str = ""

    @property
    def topic(self) -> str:
        """Canonical JSON: the name of the topic."""
        return msgspec.json.encode(self).decode()

    @property
    def symbol(self) -> str:
        """Of the instrument it is about, empty if of many. An index has the first parts of a perpetual's name."""
        return f"{self.instId}-SWAP" if self.channel == "index-tickers" else self.instId


class Envelope(msgspec.Struct):
    """What is common to all OKX says: data of a channel (`arg`, `data`), or a word about the connection (`event`)."""

    arg: Arg | None = None
    data: msgspec.Raw = msgspec.Raw()  #: unread; empty if absent
    event: str | None = None
    id: str | None = None  #: of our message, repeated
    code: str = ""
    msg: str = ""
    table: str | None = None  #: the channel, in the third generation of the API, which is gone


read_envelope = msgspec.json.Decoder(Envelope).decode


class Measure(NamedTuple):
    """An instrument, and how many base units a contract of it is: `numerator / denominator`, both whole.

    3 contracts of 0.1 are `3 * 1 / 10`: for whole numbers of contracts that is the double nearest to the true size,
    which `3 * 0.1` is not. For others both are right to the 15th digit.
    """

    instrument: InstrumentId
    numerator: float
    denominator: float

    @classmethod
    def of(cls, instrument: Instrument) -> "Measure":
        """How to measure an instrument's contracts."""
        numerator, denominator = instrument.contract_size.as_integer_ratio()
        return cls(instrument.id, float(numerator), float(denominator))

    def base(self, contracts: float) -> float:
        """Contracts → base units."""
        return contracts * self.numerator / self.denominator
