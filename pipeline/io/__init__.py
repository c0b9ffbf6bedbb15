"""Sources and sinks of the graph: Kafka and memory."""
