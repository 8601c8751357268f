"""Code of operators: a wrong answer or an exception of it becomes an ordinary fault of its part.

Every import, construction and call of it goes through `isolated`, so it ends neither the server nor `check`.
"""
