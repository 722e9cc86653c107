"""Towers over Adam on text: what an end row says, and what the table makes of it."""

from dataclasses import replace
from math import log

from learners.data.text import MARKOV_ENTROPY
from studies.optimizers import towers_lstm

ARGS = replace(towers_lstm.TOY, factors=(1.0,), epochs=4, hidden=16)


def test_a_network_that_begins_too_low_ends_better_under_a_tower_and_its_rate_rose() -> None:
    def end(algorithm: towers_lstm.Algorithm | None) -> dict[str, float]:
        return list(towers_lstm.run(towers_lstm.Trial(ARGS, algorithm, 0.1)))[-1]

    alone, tower = end(None), end("ours")
    assert alone["learning_rate"] == alone["start"]
    assert tower["learning_rate"] > 10 * tower["start"]
    assert MARKOV_ENTROPY < tower["nats"] < alone["nats"] - 0.2 < log(8)


def test_a_loss_that_is_no_number_counts_as_knowing_nothing() -> None:
    *_, end = towers_lstm.run(towers_lstm.Trial(ARGS, None, 1e41))
    assert end["nats"] == round(log(8), 6)


def test_only_the_published_towers_are_given_another_rate_above() -> None:
    def nats(algorithm: towers_lstm.Algorithm, upper: float) -> float:
        args = replace(ARGS, epochs=1, upper_factor=upper)
        return float(list(towers_lstm.run(towers_lstm.Trial(args, algorithm)))[-1]["nats"])

    assert nats("ours", 1.0) == nats("ours", 30.0)
    assert nats("as published", 1.0) != nats("as published", 30.0)


def test_the_table_pairs_networks_of_one_number_with_those_at_the_best_rate_that_stays() -> None:
    rows = [
        {"what": "end", "tuned by": way, "start": start, "seed": n, "nats": nats + 0.5 * n}
        | {"learning_rate": rate, "beta1": 0.9, "beta2": 0.999}
        for way, start, nats, rate in (
            ("nothing", 2e-3, 2.3, 2e-3),
            ("nothing", 2e-2, 2.0, 2e-2),
            ("ours", 0.2, 1.9, 4e-3),
        )
        for n in range(3)
    ]
    _, alone, tower = towers_lstm.table(rows)
    assert alone["nats a character"] == "2.500 +- 1.242" and tower["rate at the end"] == "0.004"
    assert tower["behind the best alone"] == "-0.100 (all equal)"
