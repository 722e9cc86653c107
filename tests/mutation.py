"""Mutation score: the share of small faults, planted in modules one at a time, that their tests notice.

    python -m tests.mutation estimators laws --sample 60 --seed 0

The tests are collected once, and run once without a fault to see which functions each of them calls. A
mutant of a function's body is put in its place in a fork, where the tests that call it run, the quickest
first, up to the first failure. What runs at import (defaults, constants), or loses a `super()`, is planted
before anything is imported, and meets the tests that call any function of its module. One that hangs counts
as noticed. Mutants that change no behavior are listed by their text in equivalent_mutants.txt, each with its
reason, and are left out of the score. In the checks, sizes are not moved: they say what a part is sent and
how often, others would do as well, and what hangs on them, how small a fault is found, is measured by
`python -m tests.power` and by all the broken parts of `make fuzz`.
"""

import argparse
import ast
import gc
import importlib.abc
import importlib.util
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import pytest
from scipy.stats import binomtest

from tests.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
LEARNERS = (
    "tests/learners/estimators",
    "tests/learners/theory",
    "tests/learners/test_access.py",
    "tests/learners/test_mutants.py",
)


def _tests_but(path: str, *left_out: str) -> list[str]:
    """The tests of a file, without some."""
    tree = ast.parse((ROOT / path).read_text())
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [f"{path}::{name}" for name in names if name.startswith("test_") and name not in left_out]


LAWS = ("aging", "fabrication", "independence", "influence", "pulses", "purity", "repetition", "responses")
CHECK_PARTS = ("assertions", "relaxing", "replicas", "shared_noise", "surroundings", "trial", "watched")
DEVICE_CHECK = (  # each law alone; devices that all laws judge one after another would take hours
    *(f"tests/analog/check/test_{name}.py" for name in (*LAWS, *CHECK_PARTS)),
    "tests/analog/check/test_check.py::test_every_breach_is_caught",
    "tests/analog/check/test_check.py::test_fresh_laws_send_other_numbers_and_the_others_the_same",
    "tests/analog/check/test_check.py::test_laws_are_fresh_only_if_that_is_asked_for",
    "tests/analog/check/test_check.py::test_lives_are_lived_inside_a_property_test_too",
    "tests/analog/check/test_check.py::test_the_laws_that_were_tried_are_told",
    "tests/analog/check/test_check.py::test_wirings_end_in_a_linear_read_out",
    *_tests_but("tests/analog/check/test_life.py", "test_ten_thousand_steps_across_the_zoo"),
)


def _all(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.py"))


def _estimators(*names: str) -> list[str]:
    return [f"learners/estimators/{name}.py" for name in names]


LEARNER_CHECK = (  # without our many parts, which all laws judge one after another
    *(
        f"tests/learners/check/test_{name}.py"
        for name in ("comparison", "control_variate", "exact_laws", "forms", "hidden_defects", "independence")
    ),
    *(
        f"tests/learners/check/test_{name}.py"
        for name in (
            "learner",
            "linear_chip",
            "mean_laws",
            "sensitivities",
            "sequential",
            "two_stage",
            "update_trial",
        )
    ),
    *_tests_but("tests/learners/check/test_update.py", "test_our_updates_keep_their_contract"),
    *_tests_but("tests/learners/check/test_loss.py", "test_our_losses_keep_their_contract"),
    *_tests_but(
        "tests/learners/check/test_estimator.py",
        "test_our_estimators_are_lawful",
        "test_our_estimators_vary_as_predicted",
    ),
    "tests/learners/test_mutants.py",
)
ROOMS: dict[str, tuple[list[str], tuple[str, ...]]] = {  # room: its modules, the tests that should notice
    "estimators": (
        _estimators("base", "node", "weight", "active", "flipout", "estimate", "gradient", "probing"),
        LEARNERS,
    ),
    "schemes": (_estimators("schemes"), LEARNERS),
    "probes": (
        _estimators(
            "distributions",
            "joint_distributions",
            "structured_distributions",
            "quadratic_moments",
            "draws",
        ),
        LEARNERS,
    ),
    "laws": (_all("learners/theory"), LEARNERS),
    "control variates": (
        _estimators("control_variates", "feedback", "knob_feedback", "weight_mirrors"),
        LEARNERS,
    ),
    "device check": (_all("analog/check"), DEVICE_CHECK),
    "learner check": (_all("learners/check"), LEARNER_CHECK),
    "devices": (
        [f"analog/devices/{name}.py" for name in ("pulsed", "programmed", "trains")],
        ("tests/analog/devices",),
    ),
}
FUZZED = (
    DEVICE_CHECK,
    LEARNER_CHECK,
)  # tests that try all their cases, as in `make fuzz`, not a part of them
CHECKS = ("device check", "learner check")  # rooms in which no sizes are moved
SURVIVED, NOTICED = 0, 1  # exit statuses of a fork; pytest's own for "all passed" and "some failed"
BROKEN = 70  # the harness itself


class Reach(NamedTuple):
    """What a run without faults told: what each test takes, and which functions of our own it calls."""

    seconds: dict[str, float]
    called: dict[str, set[tuple[str, int]]]  # test: files and first lines

    def meeting(self, path: str) -> list[str]:
        """The tests that call any function of a file, the quickest first; all of them where none does."""
        met = [test for test, calls in self.called.items() if any(file == path for file, _ in calls)]
        return sorted(met or self.seconds, key=lambda test: self.seconds[test])


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and gives the mutant in its place."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.path, self.tree = ROOT / module, tree
        self.package = self.path.name == "__init__.py"
        self.name = ".".join(Path(module).with_suffix("").parts).removesuffix(".__init__")

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name != self.name:
            return None
        spec = importlib.util.spec_from_file_location(name, self.path, loader=self)
        if spec and self.package:
            spec.submodule_search_locations = [str(self.path.parent)]
        return spec

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: object) -> None:
        exec(compile(self.tree, str(self.path), "exec"), vars(module))


def forked(work: Callable[[], int], cpu_limit: float, limit: float) -> int:
    """The exit status of some work, done in a fork; NOTICED if it outlasts its CPU time or its time, in s."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_limit) + 1, int(cpu_limit) + 9))
        errors, quiet = os.dup(2), os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        try:
            os._exit(work())
        except BaseException:
            os.write(errors, traceback.format_exc().encode())
            os._exit(BROKEN)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return NOTICED if code == -signal.SIGXCPU else code
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return NOTICED


class _Session:
    """A pytest plugin that runs the collected tests against mutants, instead of once."""

    def __init__(self, samples: dict[str, list[tuple[str, Mutant]]], record: Path, limit: float) -> None:
        self.samples, self.record, self.limit = samples, record, limit

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        files = {str(ROOT / module) for sample in self.samples.values() for module, _ in sample}
        status = forked(lambda: _trace(session, files, self.record), 3600, 3600)
        reach = pickle.loads(self.record.read_bytes()) if status == SURVIVED else None
        if reach is None:
            raise SystemExit(f"tests fail without any mutant ({status}): {self.record.read_text()}")
        functions = _functions(files)
        outcomes: dict[tuple[str, int], int] = {}
        for room, sample in self.samples.items():
            for k, (module, mutant) in enumerate(sample):
                outcome = mutant.function and self._outcome(session, reach, functions, module, mutant)
                if outcome is not None:
                    outcomes[room, k] = outcome
                    _tell(room, k, outcome, module, mutant)
        self.record.write_bytes(pickle.dumps((reach, outcomes)))
        return True

    def _outcome(
        self,
        session: pytest.Session,
        reach: Reach,
        functions: dict[tuple[str, str, int], list[FunctionType]],
        module: str,
        mutant: Mutant,
    ) -> int | None:
        """SURVIVED or NOTICED; None for a mutant that cannot be put in a function's place."""
        assert mutant.function is not None
        path, (name, first) = str(ROOT / module), mutant.function
        code = next(
            each
            for each in _codes(compile(mutant.tree, path, "exec"))
            if (each.co_qualname, each.co_firstlineno) == mutant.function
        )
        replaced = functions.get((path, name, first), [])
        if not fits(code, replaced):
            return None
        lines = range(first, max(line for *_, line in code.co_lines() if line) + 1)
        items = [
            item
            for item in session.items
            if any(file == path and line in lines for file, line in reach.called[item.nodeid])
        ]
        items.sort(key=lambda item: reach.seconds[item.nodeid])

        def work() -> int:
            for function in replaced:
                function.__code__ = code
            return _run(session, items)

        seconds = sum(reach.seconds[item.nodeid] for item in items)
        return forked(work, 20 + 5 * seconds, self.limit)


def _run(session: pytest.Session, items: list[pytest.Item]) -> int:
    for item, after in zip(items, [*items, None][1:], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return NOTICED
    return SURVIVED


def _trace(session: pytest.Session, files: set[str], record: Path) -> int:
    """Run every test, and write down its `Reach`; the first test that fails instead."""
    reach = Reach({}, {})

    def trace(frame: Any, event: str, arg: object) -> None:
        if frame.f_code.co_filename in files:
            called.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    for item in session.items:
        called = reach.called[item.nodeid] = set()
        begun = time.process_time()
        sys.settrace(trace)
        threading.settrace(trace)
        status = _run(session, [item])
        sys.settrace(None)
        if status:
            record.write_text(item.nodeid)
            return NOTICED
        reach.seconds[item.nodeid] = time.process_time() - begun
    record.write_bytes(pickle.dumps(reach))
    return SURVIVED


def _functions(files: set[str]) -> dict[tuple[str, str, int], list[FunctionType]]:
    """All functions that these files define, by file, qualified name and first line."""
    found: dict[tuple[str, str, int], list[FunctionType]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in files:
            code = each.__code__
            found.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(each)
    return found


def fits(code: CodeType, functions: list[FunctionType]) -> bool:
    """Whether a code can stand in functions: it has their free variables, of which `super()` is one."""
    return all(function.__code__.co_freevars == code.co_freevars for function in functions)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class _Collection:
    """A pytest plugin that sees whether the tests could be imported."""

    failed = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed |= report.failed


def planted(module: str, tree: ast.Module, tests: list[str]) -> int:
    """Run tests, up to the first failure, with a tree in place of a module that nobody has imported yet."""
    sys.meta_path.insert(0, _Planted(module, tree))
    collection = _Collection()  # pytest's status of an import that fails is that of a test that is not there
    status = int(pytest.main([*OPTIONS, "-x", *tests], plugins=[collection]))
    if status == pytest.ExitCode.USAGE_ERROR and not collection.failed:  # cases are named by what changed
        whole = dict.fromkeys(test.split("[")[0] for test in tests)
        status = int(pytest.main([*OPTIONS, "-x", *whole], plugins=[collection]))
    return NOTICED if collection.failed else status


OPTIONS = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


def _tell(room: str, k: int, outcome: int, module: str, mutant: Mutant) -> None:
    if outcome not in (SURVIVED, NOTICED):
        raise SystemExit(f"status {outcome} from {module}:{mutant.number}: {mutant}")
    if outcome == SURVIVED:
        print(f"survived {module}:{mutant.number}: {mutant}", flush=True)
    print(f"{room} {k} {time.strftime('%X')}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(ROOMS)}; by default all, one after another"
    )
    parser.add_argument("--sample", type=int, default=60, help="mutants of a room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=900.0, help="s that the tests of one mutant may take")
    parser.add_argument(
        "--tests", nargs="*", help="only these: fewer see less, so the score is a lower bound"
    )
    args = parser.parse_args()
    os.chdir(ROOT)
    for heavy in ("torch", "scipy.stats", "hypothesis", "gymnasium", "matplotlib.pyplot", "sklearn.datasets"):
        importlib.import_module(heavy)  # once, here, not in every fork
    lines = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    equivalent = {line.rsplit("  # ", 1)[0] for line in lines}
    by_tests: dict[tuple[str, ...], list[str]] = {}
    for room in args.rooms or ROOMS:
        by_tests.setdefault(tuple(args.tests or ROOMS[room][1]), []).append(room)
    for tests, rooms in by_tests.items():
        os.environ["HYPOTHESIS_PROFILE"] = "fuzz" if tests in FUZZED else "ci"
        _score(rooms, tests, args, equivalent)


def _score(rooms: list[str], tests: tuple[str, ...], args: argparse.Namespace, equivalent: set[str]) -> None:
    """Print the survivors and the score of rooms that share their tests."""
    samples, drawn_from = {}, {}
    for room in rooms:
        texts = {module: (ROOT / module).read_text() for module in ROOMS[room][0]}
        found = [(module, m) for module in texts for m in mutants(texts[module], sizes=room not in CHECKS)]
        candidates = [(module, m) for module, m in found if f"{module}: {m}" not in equivalent]
        drawn_from[room] = f"drawn from {len(candidates)}, {len(found) - len(candidates)} equivalent"
        size = min(args.sample, len(candidates))
        samples[room] = random.Random(f"{args.seed} {room}").sample(candidates, size)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        child = os.fork()
        if not child:  # a process of its own, so that nothing of ours is imported here
            options = ["-s", *OPTIONS, *tests]
            os._exit(int(pytest.main(options, plugins=[_Session(samples, record, args.limit)])))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise SystemExit("the tests could not be run against mutants")
        reach, outcomes = pickle.loads(record.read_bytes())
    for room, sample in samples.items():
        for k, (module, mutant) in enumerate(sample):
            if (room, k) not in outcomes:
                met = reach.meeting(str(ROOT / module))
                work = partial(planted, module, mutant.tree, met)
                cpu_limit = 60 + 5 * sum(reach.seconds[test] for test in met)
                outcomes[room, k] = forked(work, cpu_limit, args.limit)
                _tell(room, k, outcomes[room, k], module, mutant)
        noticed = sum(outcomes[room, k] != SURVIVED for k in range(len(sample)))
        low, high = binomtest(noticed, len(sample)).proportion_ci(method="exact")
        print(
            f"{room}: {noticed} of {len(sample)} noticed, {noticed / len(sample):.1%} "
            f"({low:.1%} to {high:.1%}); {drawn_from[room]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
