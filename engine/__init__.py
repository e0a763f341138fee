"""Readout vectors from stories: the engine behind Amygdala Studio."""

__version__ = "0.1.0"
