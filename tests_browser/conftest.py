"""A headless Chromium, and the built site served to it over HTTP."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs/_build/html"
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
WINDOWS = {"desktop": (1280, 900), "phone": (390, 844)}  # CSS pixels


@pytest.fixture(scope="session")
def browser() -> Iterator[WebDriver]:
    """Chromium by its driver, both of the system.

    Raises:
        pytest.fail.Exception: there is none.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.fail("chromium and chromedriver are not installed; on Debian: chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    found.set_page_load_timeout(60)
    yield found
    found.quit()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, for as long as the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder for the rest of the session; gives its address."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(served(folder))


@pytest.fixture(scope="session")
def site(serve: Callable[[Path], str]) -> str:
    if not (SITE / "index.html").exists():
        pytest.fail(f"{SITE} is not built; make docs")
    return serve(SITE)


def resize(browser: WebDriver, window: str) -> None:
    """Make the page as wide and high as a device's window, its own pixels aside."""
    width, height = WINDOWS[window]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": window == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def complaints(browser: WebDriver) -> list[str]:
    """What the page wrote to the console as an error or a warning since the last call."""
    return [
        entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
    ]


def broken_pictures(browser: WebDriver) -> list[str]:
    """The pictures of a page that have no pixels, those loaded lazily among them."""
    found: list[str] = browser.execute_async_script("""
        const done = arguments[0], pictures = [...document.images];
        pictures.forEach(picture => picture.loading = "eager");
        Promise.all(pictures.map(picture => picture.decode().catch(() => null))).then(() =>
            done(pictures.filter(p => p.naturalWidth === 0).map(p => p.src)));""")
    return found


def overflow(browser: WebDriver) -> int:
    """By how many pixels a page is wider than its window."""
    wider: int = browser.execute_script(
        "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - window.innerWidth"
    )
    return wider


def widest(browser: WebDriver) -> list[str]:
    """The elements that reach beyond the window and do not scroll by themselves, to say who is to blame."""
    found: list[str] = browser.execute_script("""
        const scrolls = e => e && (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)
            || scrolls(e.parentElement));
        return [...document.querySelectorAll("article *")].filter(e => e.getBoundingClientRect().right
            > innerWidth + 1 && !scrolls(e)).slice(0, 3).map(e => e.outerHTML.slice(0, 120));""")
    return found
