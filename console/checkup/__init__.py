"""The checks of `pluggy-sync doctor`: each looks at one thing, and says what to do about it."""
