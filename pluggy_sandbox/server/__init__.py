"""The application and the HTTP server that serves it."""
