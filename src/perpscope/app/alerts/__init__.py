"""Alerts of a face: what its heart tells and its store knows, through the rules, to the sinks and into the log."""
