"""Activations of texts: from the store where it has them, else from the model."""
