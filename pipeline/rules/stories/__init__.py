"""Which articles are one text, and which report one event."""
