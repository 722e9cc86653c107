"""The character LSTM: what it reads, what it carries on, and that the same seed makes the same."""

import torch

from analog import stream
from studies.kit.digital.character_lstm import CharacterLSTM, chunks, losses

TEXT = torch.randint(0, 5, (103,), generator=stream(0, "character lstm"))


def lstm(number: int = 0) -> CharacterLSTM:
    return CharacterLSTM(5, 6, 2, stream(0, "character lstm", number))


def test_every_place_reads_on_where_it_stopped_and_is_shown_what_follows() -> None:
    pieces = list(chunks(TEXT, 4, 8))
    assert len(pieces) == 3 and [p.is_first for p in pieces] == [True, False, False]
    read, following = (torch.cat([p[at] for p in pieces], 1) for at in (0, 1))  # type: ignore[misc]
    assert read.flatten().equal(TEXT[:96]) and following.flatten().equal(TEXT[1:97])


def test_the_state_is_carried_on_so_that_chunks_do_not_matter_to_the_loss() -> None:
    network = lstm()
    with torch.no_grad():
        (whole,) = losses(network, chunks(TEXT[:33], 2, 16))
        parts = list(losses(network, chunks(TEXT[:33], 2, 4)))
        apart = [next(losses(network, iter([p._replace(is_first=True)]))) for p in chunks(TEXT[:33], 2, 4)]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)
    assert not torch.stack(apart).mean().isclose(whole, rtol=1e-5)


def test_no_derivative_goes_back_into_the_chunk_before() -> None:
    network = lstm()
    first, second = losses(network, iter(list(chunks(TEXT, 4, 8))[:2]))
    first.backward()
    second.backward()  # would fail where the first one's graph is part of it


def test_weights_come_from_the_generator_alone() -> None:
    for one, other in zip(lstm().parameters(), lstm().parameters(), strict=True):
        assert one.equal(other) and one.abs().max() <= 6**-0.5
    assert not next(lstm(1).parameters()).equal(next(lstm().parameters()))
