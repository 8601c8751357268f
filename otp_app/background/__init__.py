"""Work off the requests, each in a thread of its own."""
