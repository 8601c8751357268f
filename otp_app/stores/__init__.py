"""Stores that outlive a process, one scheme a file. Each raises StoreUnavailable and nothing of its driver's."""
