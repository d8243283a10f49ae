"""Run a submission where it can compute, and do nothing else."""
