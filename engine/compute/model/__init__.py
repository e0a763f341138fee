"""A model: finding it, identifying it, loading as much of it as is read, and running texts through it."""
