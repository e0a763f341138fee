"""Tensors: the model, its activations, and what is computed from them. The only room where torch lives."""
