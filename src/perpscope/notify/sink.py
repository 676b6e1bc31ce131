"""What every sink of this room is; the contract stands where its caller is, in `app.alerts.sink`."""

from perpscope.analytics.alerts.alert import Alert, Phase, Severity
from perpscope.analytics.alerts.saying import Saying
from perpscope.app.alerts.sink import Controls, Delivered, Delivery, Sink, SinkMaker

__all__ = ["Alert", "Controls", "Delivered", "Delivery", "Phase", "Saying", "Severity", "Sink", "SinkMaker"]
