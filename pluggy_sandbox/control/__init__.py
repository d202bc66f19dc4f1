"""The control surface under `/_sandbox`: what only a stand-in can do."""
