"""Tests of `engine.service`."""
