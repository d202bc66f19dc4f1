"""What the tasks do: handle an event, sync an Item, pass on a person's answer, queue again what is due."""
