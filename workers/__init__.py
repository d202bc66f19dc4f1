"""The Celery app, its policy, and thin tasks: each makes one call into the engine."""
