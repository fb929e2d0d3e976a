"""Waiting for content sessions: conditions, and the sensor and trigger bases."""
