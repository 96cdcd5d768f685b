"""In the domain and out of it: equal seeds are compared, and nothing is said before it ran."""

from typing import Any

from benchmarks.lab.study import domain_page

RIGHT, WRONG = [1.0] * 40, [0.0] * 40


def run(arm: str, seed: int, right: list[float]) -> dict[str, Any]:
    looks = {"run": right, "untrained": WRONG, "pixels": WRONG, "teacher": RIGHT}
    return {
        "arm": arm,
        "seed": seed,
        "what": f"what {arm} is",
        "transfer": {name: {"emotions": {"5": told, "20": told}} for name, told in looks.items()},
        "artists": {name: {"Google": told, "Microsoft": told} for name, told in looks.items()},
    }


def test_domain__nothing_is_said_before_the_arm_out_of_it_ran() -> None:
    assert domain_page.lines([run("small_and_long", 0, RIGHT)]) == []


def test_domain__equal_seeds_are_compared_and_others_left_out() -> None:
    runs = [
        run("out_of_domain", 0, WRONG),
        run("small_and_long", 0, RIGHT),
        run("small_and_long", 1, WRONG),
        run("fewer_pictures", 0, WRONG),
    ]
    page = "\n".join(domain_page.lines(runs))
    assert "| Google left out | small_and_long | +1.000 | +1.000 to +1.000 | better |" in page
    assert "| Google left out | fewer_pictures | +0.000 | +0.000 to +0.000 | no diff" in page
    assert "| Microsoft left out | 40 | 0.500 | 0.000 | 0.000 | 0.000 | 0.000 | 1.000 |" in page
    assert "(seeds 0, 1)" in page
