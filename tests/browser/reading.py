"""What the browser tests do on a page, and what they look for."""

MANAGER, PASSWORD = "ana", "correct horse battery"


def log_in(page, server, language="en"):
    """Fill in the form."""
    page.goto(f"{server}/{language}/login")
    page.fill("#manager", MANAGER)
    page.fill("#password", PASSWORD)
    page.click("button.main")


def findings(page):
    """What axe calls a violation, of any level, as short texts."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['impact']} {one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]
