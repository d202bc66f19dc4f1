"""What the sandbox knows at present, and its clocks: one module for each kind of thing, all of them held by `World`."""
