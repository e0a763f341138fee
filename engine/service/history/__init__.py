"""Revisions: numbered, remembered, compared."""
