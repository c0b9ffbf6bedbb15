"""What becomes of a spike: one alert that opens, grows, calms and ends, with its evidence."""
