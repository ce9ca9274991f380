"""What the hub takes in time and memory, beside baselines run in turn with it: ``python -m tests.benchmarks``."""
