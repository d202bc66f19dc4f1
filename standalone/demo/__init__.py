"""The main job, run once on real processes: each promise is checked against the sandbox's own truth."""
