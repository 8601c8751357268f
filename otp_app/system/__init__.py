"""What the operating system gives a process: its clock, its log on standard error, its signals."""
