"""The decisions: data in, data out. No engine, no network, no clock."""
