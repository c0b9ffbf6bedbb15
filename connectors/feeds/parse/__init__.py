"""Bytes of a feed in, articles and rejects out. `document.parse` is the way in."""
