"""What a recipe leaves open, decided."""

import dataclasses

import pytest

from pretrain.config import recipes
from pretrain.config.resolve import keep_rows_per_step, resolve_steps, rows_per_step
from pretrain.config.settings import PretrainConfig


def config(batch_size: int, accumulate: int = 1) -> PretrainConfig:
    recipe = dataclasses.replace(recipes.cpu_smoke(), steps=0, epochs=2.0)
    return dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, batch_size=batch_size),
        optim=dataclasses.replace(recipe.optim, accumulate=accumulate),
    )


def test_rows_per_step__counts_micro_batches_and_processes() -> None:
    assert rows_per_step(config(8, 3), 2) == 48
    assert resolve_steps(config(8, 3), 100, 2).steps == 5  # ceil(2 * 100 / 48)


@pytest.mark.parametrize(
    ("ranks", "batch_size", "accumulate"),
    [(2, 8, 1), (1, 8, 2), (4, 4, 1), (16, 1, 1)],
)
def test_keep_rows__any_number_of_processes_that_divides(
    ranks: int, batch_size: int, accumulate: int
) -> None:
    kept = keep_rows_per_step(config(8), 16, ranks)
    assert (kept.data.batch_size, kept.optim.accumulate) == (batch_size, accumulate)


def test_keep_rows__smaller_micro_batches_where_the_recipes_do_not_fit() -> None:
    kept = keep_rows_per_step(config(8), 36, 3)
    assert (kept.data.batch_size, kept.optim.accumulate) == (6, 2)


def test_keep_rows__a_number_of_processes_that_does_not_divide_is_named() -> None:
    with pytest.raises(ValueError, match=r"16 rows per step, which 3 processes cannot share"):
        keep_rows_per_step(config(8), 16, 3)
