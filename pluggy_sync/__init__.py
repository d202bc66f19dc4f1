"""What is known of Pluggy and of our own data. The web app, the workers and the console build on it."""
