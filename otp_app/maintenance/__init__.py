"""Work on a whole store, for the command line: copying it to another one, and looking into its records."""
