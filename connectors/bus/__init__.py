"""Publisher and Subscriber: Kafka and memory behind one contract."""
