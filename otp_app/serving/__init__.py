"""The server: gunicorn's configuration, and the application that it serves.

A checkout's `deploy/gunicorn.conf.py` and `wsgi.py` import both from here, so the package alone is enough to serve.
"""

from __future__ import annotations

from pathlib import Path

#: what gunicorn's `-c` takes: a file, because of a module it would not read the settings again at a reload
CONFIGURATION = Path(__file__).with_name("gunicorn_conf.py")
