"""Tests of `engine.corpus`."""
