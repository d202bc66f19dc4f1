"""A sandbox: a world that can be begun again."""

from dataclasses import replace

from pluggy_sandbox.state.world import Origin, World


class Sandbox:
    """Holds the present world."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.world = World(origin)

    def locate(self, address: str) -> None:
        """Say where it is reached."""
        self.origin = replace(self.origin, address=address)
        self.world.address = address

    def reset(self, seed: int | None = None) -> World:
        """Begin again with nothing, under another seed if one is given; settings go back to those at the start."""
        old = self.world
        self.origin = replace(self.origin, seed=self.origin.seed if seed is None else seed)
        self.world = World(self.origin)
        self.world.keyring.generation = old.keyring.generation  # keys that clients hold stay good
        old.close()
        return self.world

    def close(self) -> None:
        """Stop."""
        self.world.close()
