"""What to do, decided purely: no I/O, no clock, no framework."""
