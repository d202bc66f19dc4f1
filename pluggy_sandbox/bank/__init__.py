"""The sandbox bank: its customers, what they own, and what happens to them as days pass. It knows nothing of Pluggy."""
