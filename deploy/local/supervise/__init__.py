"""Processes started, watched, started again and stopped; none outlives its keeper."""
