"""The page of results, made from archives of toy runs."""

from pathlib import Path

from studies.kit.report.markdown import markdown_table
from studies.kit.report.results_page import results_page
from studies.kit.run.archive import archive, read_archive
from studies.kit.run.runner import RunOptions, run_study
from studies.perturbation import laws


def test_the_page_has_the_claim_the_command_and_the_table_of_every_archive(tmp_path: Path) -> None:
    folder = run_study(laws, laws.TOY, RunOptions(out=tmp_path / "run", threads=1))
    place = archive(folder, tmp_path / "archive")
    page = results_page(tmp_path / "archive")
    assert page.startswith("# Results") and "## laws" in page
    assert (laws.__doc__ or "").splitlines()[0] in page
    assert "`python -m studies laws " in page and f"(archive/laws/{place.name})" in page
    assert all(line in page.splitlines() for line in markdown_table(laws.table(read_archive(place).rows)))
    assert page == results_page(tmp_path / "archive")  # the same archives, the same page


def test_a_table_has_every_key_of_every_row_and_no_bar_of_its_own() -> None:
    lines = markdown_table([{"device": "a|b", "right %": "96.1 +- 0.3"}, {"device": "c", "reads": 3}])
    assert lines == [
        "| device | right % | reads |",
        "| --- | --- | --- |",
        "| a\\|b | 96.1 ± 0.3 |  |",
        "| c |  | 3 |",
    ]
    assert markdown_table([]) == []
