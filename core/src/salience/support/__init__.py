"""Helpers that know nothing of saliency: numerics, files, hooks, random states, memory."""
