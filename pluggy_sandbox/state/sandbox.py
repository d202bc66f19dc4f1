"""A sandbox: a world that can be begun again."""

from dataclasses import replace

from pluggy_sandbox.state.keeper import Keeper
from pluggy_sandbox.state.world import Origin, World


class Sandbox:
    """Holds the present world."""

    def __init__(self, origin: Origin, keeper: Keeper | None = None) -> None:
        """
        Hold the world that *keeper* kept, or a new one made from *origin* where there is none.

        Raises:
            UnreadableStateError: what was kept cannot be read.
        """
        self.origin = origin
        self._keeper = keeper
        kept = keeper.load(origin) if keeper else None
        self.is_continued = kept is not None
        self.world = kept or World(origin)
        self._keep()

    def locate(self, address: str) -> None:
        """Say where it is reached."""
        self.origin = replace(self.origin, address=address)
        self.world.address = address

    def reset(self, seed: int | None = None) -> World:
        """Begin again with nothing, under another seed if one is given; settings go back to those at the start."""
        old = self.world
        self.origin = replace(self.origin, seed=old.ids.seed if seed is None else seed)
        self.world = World(self.origin, old.secrets)
        self.world.keyring.generation = old.keyring.generation  # keys that clients hold stay good
        with old.lock:
            old.courier.before_telling = old.keep = lambda: None
        old.close()
        if self._keeper:
            with self.world.lock:
                self._keeper.clear()
        self._keep()
        return self.world

    def close(self) -> None:
        """Stop."""
        self.world.close()
        self.world.keep()
        if self._keeper:
            self._keeper.close()

    def _keep(self) -> None:
        world, keeper = self.world, self._keeper
        if keeper is None:
            return

        def keep() -> None:
            with world.lock:
                keeper.save(world)

        world.keep = world.courier.before_telling = keep
        keep()
