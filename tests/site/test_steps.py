"""The table of apps and devices."""

import pytest

from autoconfig.site.steps import APPS, apps, platform_of


@pytest.mark.parametrize(
    ("agent", "platform"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15", "ios"),
        ("Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15", "ios"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15", "mac"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile", "android"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 SamsungBrowser/29.0 Chrome/136.0.0.0", "samsung"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0", "windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "linux"),
        ("Something new", "other"),
        ("", "other"),
    ],
)
def test_a_platform_is_recognised_by_its_user_agent(agent: str, platform: str) -> None:
    assert platform_of(agent.encode()) == platform


def test_the_first_apps_of_a_platform_exist() -> None:
    known = {app.id for app in APPS}
    for platform in apps().iterfind("platform"):
        assert set(platform.get("first", "").split()) <= known


def test_the_table_has_every_required_app() -> None:
    assert {app.id for app in APPS} == {
        *("iphone", "mac", "thunderbird", "outlook-new", "outlook-classic", "outlook-mac", "outlook-phone"),
        *("gmail", "samsung", "thunderbird-android", "other"),
    }
