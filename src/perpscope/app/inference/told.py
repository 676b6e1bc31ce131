"""What the lane hands back to the event loop; light, for both sides import it."""

import msgspec

from perpscope.model.order import Forecast


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast, and how it came about."""

    forecast: Forecast
    is_wanted: bool  #: what it expects is worth acting on by the manifest's rule
    why: str
    values: dict[str, float]
