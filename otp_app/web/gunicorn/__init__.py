"""The gunicorn worker: how a process reads requests and answers them."""
