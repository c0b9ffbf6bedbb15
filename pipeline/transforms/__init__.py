"""Beam composites: wiring and keyed state around the rules, no decisions."""
