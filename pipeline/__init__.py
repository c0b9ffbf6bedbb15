"""What decides: records, rules and the Beam graph around them."""
