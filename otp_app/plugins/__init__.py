"""Code that operators write: whatever it raises or returns becomes an ordinary fault of its part.

Every import, construction and call of it goes through `isolated`, so it ends neither the server nor `check`.
"""
