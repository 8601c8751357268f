"""The HTTP kit that APIs share. An API takes fields, calls the service, translates; none imports another."""
