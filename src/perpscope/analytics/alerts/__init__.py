"""Alerts, as arithmetic: rules are read, measures kept in market time, states stepped, outcomes scored."""
