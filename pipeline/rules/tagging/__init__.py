"""Which language a text has, which topics it is about, and how serious it is."""
