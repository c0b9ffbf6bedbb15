"""What the connector remembers, in a database: feeds, entries seen, the journal, totals."""
