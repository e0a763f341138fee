"""One open corpus: follows the disk, decides what to compute, has it computed, and tells what moved."""
