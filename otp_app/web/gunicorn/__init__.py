"""How processes serve: what a server needs beyond the faces and the wiring."""
