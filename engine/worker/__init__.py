"""The worker: computes the blocks of one job at a time and holds nothing that is not in the vault or on the disk."""
