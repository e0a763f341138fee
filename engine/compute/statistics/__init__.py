"""Tensors in, numbers out: directions, quality, nulls, separation. Pure functions that know no model and no disk."""
