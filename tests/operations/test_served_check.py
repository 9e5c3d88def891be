"""The check of a provider's own domain: all right, and with one thing broken at a time."""

from tests.operations.world import World


def test_a_provider_that_does_everything_right_is_all_right(world: World) -> None:
    found = world.check()
    assert found.bad == {"PACC clients, example.com": "can use nothing of what the definition says"}
    assert found.report.exit_status == 0
