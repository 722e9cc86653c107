"""Four classes of a data set: all of theirs, and nothing else."""

from learners.data import load_data
from studies.kit.data.four_classes import first_classes


def test_all_examples_of_the_first_classes_are_there_and_no_others() -> None:
    whole, part = load_data("digits"), load_data("studies.kit.data.four_classes:digits")
    assert part.classes == 4 and part.shape == whole.shape
    for few, all_ in ((part.train, whole.train), (part.test, whole.test)):
        assert few.target.unique().tolist() == [0, 1, 2, 3]
        assert len(few.x) == int((all_.target < 4).sum())
        assert bool((few.x == all_.x[all_.target < 4]).all())


def test_as_many_classes_as_are_asked_for() -> None:
    assert first_classes("digits", 2).classes == 2
