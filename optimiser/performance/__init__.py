"""What an instance can do for a workload: specs, memory, step times, queueing, estimates."""
