"""Mirats Quanto's publisher API (https://docs.publisher.miratsquanto.com)."""
