"""What is assumed of a model is shown before a number is believed.

``samplers`` prepares what moves the model, before all other passes. ``proof`` compares rows of the
first passes with reference rows, which ``reference`` runs one by one in a pristine replica. Only
where they differ, ``diagnosis`` finds out why, and which slower way serves.
"""
