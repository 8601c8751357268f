"""A module of somebody's that cannot be imported, for a reason of its own."""

raise RuntimeError("no configuration")
