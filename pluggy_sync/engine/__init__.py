"""What the tasks do: handle an event, sync an item, act for a person, sweep up what was left."""
