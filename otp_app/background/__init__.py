"""Work beside the requests, one thread each."""
