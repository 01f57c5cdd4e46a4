"""The vault keeps what must outlive a worker: weights, prepared conditions, job contexts, as files in memory."""
