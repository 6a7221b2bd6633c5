"""Checks of domains: what they read, declare, collate, name and draw."""
