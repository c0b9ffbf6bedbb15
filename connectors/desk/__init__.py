"""Alerts to people: outbox, channels, messages."""
