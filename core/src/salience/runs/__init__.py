"""Runs: data sets of any length, explained unit by unit into a folder, and asked afterwards."""
