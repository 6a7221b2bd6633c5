"""Pictures of molecules: what they show, in which colours and words, and where it lies."""
