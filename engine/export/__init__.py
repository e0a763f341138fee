"""Files that downstream loaders read."""
