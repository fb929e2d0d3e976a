"""Rows → plan → send → report: the engine under every write of more than one row."""
