"""What a browser calls itself, as people would say it."""

BROWSERS = (
    ("tuneloop-cli/", "Tuneloop's command line"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
LONGEST = 60


def device_name(user_agent: str) -> str:
    """Such as "Firefox on Linux"; what is not known is shown as it came, cut short."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in SYSTEMS if mark in user_agent), None)
    if browser is None:
        return user_agent[:LONGEST] or "unknown"
    return f"{browser} on {system}" if system else browser
