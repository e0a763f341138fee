"""The plain implementation: what the readout contract's formulas become in an afternoon. Ours is measured against it.

Honest and unoptimised: the whole model with its head, batches of two in file order, one forward pass per kind of
activation, dense matrices, and a loop over concepts for everything, all of it on the model's device. For models laid
out as Llama and Qwen3 are.
"""
