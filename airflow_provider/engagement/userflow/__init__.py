"""Userflow: users, groups, events, content and its sessions. Source: https://userflow.com/docs/api."""
