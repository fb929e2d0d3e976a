"""Waiting for sessions: conditions, one poll shared by all who ask the same, and the bases of sensors and triggers."""
