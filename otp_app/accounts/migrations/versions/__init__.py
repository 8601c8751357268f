"""One file for each step; they are never changed."""
