"""Templates of plugins for salience, one in each folder; ``salience new`` copies them.

Each folder is a plugin of its own, with its hooks in ``plugin.py``: three domains, of data that is
dense, padded or ragged, and one part of each other kind.
"""
