"""The private copy of the model: what is put into it and read out of it."""
