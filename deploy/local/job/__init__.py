"""The pipeline's job on the engine: started, restored, replaced by the next generation."""
