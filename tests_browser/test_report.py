"""The report of a run as a reader meets it: one file that loads whole, sorts its tables and fits a phone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from .conftest import ROOT, WINDOWS, broken_pictures, complaints, overflow, resize

HEIRS = ("heirs", "--teachers", "2", "--heirs", "4", "--epochs", "1", "--threads", "1")
CELLS = """return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(row =>
    row.cells[arguments[1]].dataset.value ?? row.cells[arguments[1]].innerText)"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """The address of the report of a run of `heirs` at toy size."""
    folder = tmp_path_factory.mktemp("heirs")
    command = [sys.executable, "-m", "studies", *HEIRS, "--out", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    if not (folder / "report.html").exists():
        pytest.skip("studies write no report.html")
    alone = tmp_path_factory.mktemp("alone")  # the page must need no file beside it
    (folder / "report.html").rename(alone / "report.html")
    return f"{serve(alone)}/report.html"


@pytest.mark.parametrize("window", WINDOWS)
def test_a_report_loads_whole(browser: WebDriver, report: str, window: str) -> None:
    complaints(browser)
    resize(browser, window)
    browser.get(report)
    assert "heirs" in browser.title
    assert browser.find_elements(By.TAG_NAME, "img")
    assert broken_pictures(browser) == []
    assert overflow(browser) <= 0
    assert [c for c in complaints(browser) if "favicon" not in c] == []


def test_a_click_sorts_a_table_and_another_turns_it_round(browser: WebDriver, report: str) -> None:
    resize(browser, "desktop")
    browser.get(report)
    table, column = _sortable(browser)
    head = browser.find_element(By.CSS_SELECTOR, f"#{table} th:nth-child({column + 1})")
    orders = []
    for _ in range(2):
        head.find_element(By.TAG_NAME, "button").click()
        orders.append((head.get_attribute("aria-sort"), _numbers(browser, table, column)))
    values = sorted(orders[0][1])
    assert dict(orders) == {"ascending": values, "descending": values[::-1]}


def _sortable(browser: WebDriver) -> tuple[str, int]:
    """A table and a column of it with several different numbers in every line."""
    for table in browser.find_elements(By.CSS_SELECTOR, "table.sortable"):
        name = str(table.get_attribute("id"))
        for column in range(len(table.find_elements(By.TAG_NAME, "th"))):
            values = browser.execute_script(CELLS, name, column)
            numbers = [v for v in values if v and v.replace(".", "", 1).replace("-", "").isdigit()]
            if len(set(numbers)) > 1 and len(numbers) == len(values):
                return name, column
    pytest.fail("no table of the report has a column of numbers to sort")


def _numbers(browser: WebDriver, table: str, column: int) -> list[float]:
    return [float(value) for value in browser.execute_script(CELLS, table, column)]
