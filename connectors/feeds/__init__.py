"""Feeds: fetch, parse, schedule, health."""
