"""Usertour: users, companies, events, content and its sessions, in both versions of its API. Source: https://docs.usertour.io."""
