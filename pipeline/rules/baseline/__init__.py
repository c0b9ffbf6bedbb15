"""What a series usually brings at this hour of this weekday."""
