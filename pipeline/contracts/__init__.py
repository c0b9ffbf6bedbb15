"""What crosses a border: records, codec, topics, clock, metric names. Standard library only."""
