"""What touches the world: feeds, the bus, the desk."""
