"""Ways to reach people: each takes one message and says what became of it, and nothing else."""
