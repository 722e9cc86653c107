"""Arguments come from the command line and go back to it, and no mistake in them is swallowed."""

import re
import shlex
from dataclasses import dataclass

import pytest
import tyro

from analog import Ideal, Mismatched
from studies.kit.run.arguments import AnyDevice, command
from studies.kit.run.catalog import catalog, import_study
from studies.kit.run.references import BadReference
from tests.sampled import sampled


@dataclass(frozen=True)
class Several:
    devices: tuple[AnyDevice, ...] = (Ideal(),)
    one: AnyDevice | None = None


def test_parts_are_arguments_one_by_one_and_in_tuples() -> None:
    words = ["--devices", "analog:Ideal", "analog:Mismatched(severity=0.5)", "--one", "analog:Ideal"]
    assert tyro.cli(Several, args=words) == Several((Ideal(), Mismatched(severity=0.5)), Ideal())
    assert tyro.cli(Several, args=["--one", "None"]) == Several()


@pytest.mark.parametrize("name", sampled(catalog(), 3))
def test_a_command_runs_a_study_with_the_arguments_that_it_was_made_from(name: str) -> None:
    study = import_study(name)
    words = shlex.split(command(name, study.TOY))
    assert words[:4] == ["python", "-m", "studies", name]
    assert tyro.cli(study.Args, args=words[4:], config=(tyro.conf.OmitArgPrefixes,)) == study.TOY
    assert command(name, study.Args()) == f"python -m studies {name}"


@pytest.mark.parametrize("flag", ["--devices", "--one"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fefet.py:FeFET", "for a file write fefet:FeFET"),
        ("analog:Mismatched(nl_upp=3)", "Mismatched has no 'nl_upp'"),
        ("analog:dense", "is not a device"),
    ],
)
def test_tyro_swallows_no_mistake(flag: str, words: str, said: str) -> None:
    with pytest.raises(BadReference, match=re.escape(said)):
        tyro.cli(Several, args=[flag, words])
