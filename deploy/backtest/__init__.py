"""Runs the rules on an archive, from tagging to alerts, and reports what would have happened."""
