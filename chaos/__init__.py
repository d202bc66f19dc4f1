"""The whole service under trouble: its processes and servers are killed, stopped and frozen while it works."""
