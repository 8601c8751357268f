"""Users by id, in the words of a FastAPI server that many clients know. See docs/users.md."""
