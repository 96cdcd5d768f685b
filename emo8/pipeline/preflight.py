"""Mistakes in a recipe that would be met last, found before any picture is looked at."""

from __future__ import annotations

from emo8.core.errors import RecipeError
from emo8.core.settings import Recipe
from emo8.publish.card import check_answers
from emo8.review import columns, words


def check(recipe: Recipe, where: str) -> None:
    """Raise RecipeError for what only reading votes or writing the card would stumble over."""
    check_answers(recipe.publish)
    try:
        words.parse_scales(recipe.votes.scale)
    except ValueError as error:
        raise RecipeError(f"{where}: votes.{error}") from None
    for ours in recipe.votes.columns:
        if problem := columns.unknown(ours):
            raise RecipeError(f"{where}: votes.columns: {problem}")
