"""The log that cannot lie: entries of ids and codes, a Merkle tree over them, signed checkpoints."""
