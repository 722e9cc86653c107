"""The documentation's site as a reader meets it: every page loads whole, on a phone too, and is found."""

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from .conftest import SITE, broken_pictures, complaints, overflow, resize, widest

PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html") if "_static" not in p.parts)
PICTURED = ("index.html", "studies/copies.html", *(p for p in PAGES if p.startswith("learn/plot_")))
EXTERNAL = re.compile(r"https?://(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?(?:/(?:[^\s<>\"]*[^\s<>\",;])?)?")


def test_the_site_has_its_parts() -> None:
    studies = [p for p in PAGES if p.startswith("studies/")]
    tutorials = [p for p in PAGES if p.startswith("learn/plot_")]
    reference = [p for p in PAGES if p.startswith("api/")]
    devices = [p for p in PAGES if p.startswith("devices/")]
    assert len(studies) > 30 and len(devices) > 15 and len(tutorials) >= 7 and len(reference) > 20
    assert {"index.html", "concepts.html", "words.html", "coming_from.html", "results.html"} <= {*PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_loads_whole_and_fits_a_phone(browser: WebDriver, site: str, page: str) -> None:
    complaints(browser)
    resize(browser, "phone")
    browser.get(f"{site}/{page}")
    assert browser.title
    assert overflow(browser) <= 0, widest(browser)
    assert broken_pictures(browser) == []
    assert complaints(browser) == []


@pytest.mark.parametrize("page", PICTURED)
def test_pictures_are_there(browser: WebDriver, site: str, page: str) -> None:
    resize(browser, "desktop")
    browser.get(f"{site}/{page}")
    assert browser.find_elements(By.CSS_SELECTOR, "article img")
    assert broken_pictures(browser) == []
    assert overflow(browser) <= 0, widest(browser)


@pytest.mark.parametrize(
    ("words", "page"), [("NodePerturbation", "api/learners.html"), ("copies", "studies/copies.html")]
)
def test_search_finds(browser: WebDriver, site: str, words: str, page: str) -> None:
    browser.get(f"{site}/search.html?q={words}")

    def found(browser: WebDriver) -> list[str]:
        links = browser.find_elements(By.CSS_SELECTOR, "#search-results ul.search a")
        return [urlsplit(str(link.get_attribute("href"))).path for link in links]

    WebDriverWait(browser, 20).until(lambda b: f"/{page}" in found(b))


def test_the_menu_of_a_phone_opens(browser: WebDriver, site: str) -> None:
    resize(browser, "phone")
    browser.get(f"{site}/index.html")
    link = browser.find_element(By.CSS_SELECTOR, ".sidebar-tree a[href^='api/']")
    assert link.location["x"] < 0  # beside the window
    browser.find_element(By.CSS_SELECTOR, ".mobile-header label[for='__navigation']").click()
    WebDriverWait(browser, 5).until(lambda _: link.location["x"] >= 0)


@pytest.fixture(scope="module")
def soups() -> dict[Path, BeautifulSoup]:
    return {SITE / page: BeautifulSoup((SITE / page).read_text(), "html.parser") for page in PAGES}


def test_every_internal_link_leads_somewhere(soups: dict[Path, BeautifulSoup]) -> None:
    anchors = {path: {str(e["id"]) for e in soup.select("[id]")} for path, soup in soups.items()}
    dead = []
    for path, soup in soups.items():
        for link in soup.select("a[href]"):
            target, anchor = urldefrag(str(link["href"]))
            if urlsplit(target).scheme:
                continue
            there = (path.parent / unquote(target)).resolve() if target else path
            if not there.is_file() or (anchor and there in anchors and unquote(anchor) not in anchors[there]):
                dead.append(f"{path.relative_to(SITE)}: {link['href']}")
    assert dead == []


def test_every_external_link_has_the_form_of_one(soups: dict[Path, BeautifulSoup]) -> None:
    links = {
        str(a["href"])
        for soup in soups.values()
        for a in soup.select("a[href]")
        if urlsplit(str(a["href"])).scheme
    }
    assert len(links) > 30
    assert [link for link in sorted(links) if not EXTERNAL.fullmatch(link)] == []
