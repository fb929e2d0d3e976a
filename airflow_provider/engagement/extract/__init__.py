"""Window → records → files: the engine under every read."""
