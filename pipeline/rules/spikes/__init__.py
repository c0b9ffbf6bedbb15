"""Whether what came is more than chance and habit explain."""
