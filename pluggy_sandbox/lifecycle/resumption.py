"""What goes on after a restart: executions, deadlines, auto-syncs, consents that end, deliveries."""

from pluggy_sandbox.lifecycle import consents, executions
from pluggy_sandbox.state.world import World


def resume(world: World) -> None:
    """Go on with all that was under way in a world that was kept, if it was; what fell due meanwhile happens now."""
    with world.lock:
        for item in list(world.items.values()):
            executions.resume(world, item)
            consents.set_end(world, item)
        world.courier.resume()
        world.clock.move(world.clock.now)
