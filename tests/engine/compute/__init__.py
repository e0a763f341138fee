"""Tests of `engine.compute`."""
