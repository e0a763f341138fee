"""Amygdala Studio: the terminal app in which story writers see what spoils a vector, and fix it."""
