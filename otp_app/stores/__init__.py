"""Stores that outlive a process, one folder each. A store raises StoreUnavailable and no error of its driver."""
