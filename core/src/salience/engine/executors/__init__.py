"""Executors: who explains the units of a request, one after the other or side by side."""
