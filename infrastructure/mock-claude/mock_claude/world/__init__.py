"""The simulated world and the web services that show it: places, weather, articles."""

from mock_claude.world.world import Place, Weather, World

__all__ = ["Place", "Weather", "World"]
