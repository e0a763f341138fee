"""A model's process seen from the server."""
