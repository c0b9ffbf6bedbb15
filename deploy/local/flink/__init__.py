"""The engine on one machine: one JVM, its REST service, its workers, its checkpoints."""
