"""The service on one machine: supervisor, jars and Java, doctor."""
