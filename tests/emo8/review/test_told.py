"""Numbers about votes in a terminal: what is not defined is said, not printed as None."""

from typing import Any

from emo8.review import told

REPORT: dict[str, Any] = {
    "num_votes": 160,
    "num_rows": 100,
    "num_annotators": 2,
    "num_without_consent": 3,
    "annotators_per_row": 1.6,
    "kinds": {"choice": 160},
    "batches": {"5a16": 100, "c6ee": 60},
    "krippendorff_alpha": 0.414,
    "krippendorff_alpha_distance": "nominal",
    "fleiss_kappa": None,
    "fleiss_kappa_note": "rows have different numbers of votes: use alpha",
    "krippendorff_alpha_by_emotion": {"awe": -0.001, "fear": 0.5, "anger": None},
    "annotators": {
        "ann": {"num_votes": 100, "estimated_accuracy": 0.91},
        "ben": {"num_votes": 60, "estimated_accuracy": 0.7},
    },
}


def test_lines__agreement_and_people() -> None:
    text = "\n".join(told.lines(REPORT))
    assert "160 on 100 rows by 2 annotators, 1.60 a row" in text
    assert "alpha 0.41 about emotions (nominal)" in text and "use alpha" in text
    assert "awe 0.00, fear 0.50" in text and "anger" not in text and "None" not in text
    assert "ann                  100  0.91" in text and "3 without consent" in text


def test_lines__of_one_annotator_nothing_is_estimated() -> None:
    alone = REPORT | {
        "num_annotators": 1,
        "annotators_per_row": 1.0,
        "krippendorff_alpha": None,
        "annotators": {"ann": {"num_votes": 100, "estimated_accuracy": 0.5}},
    }
    text = "\n".join(told.lines(alone))
    assert "by 1 annotator," in text and "not defined" in text
    assert "0.5" not in text.split("annotator  ")[1] and "nobody else voted" in text


def test_lines__without_votes_say_how_to_begin() -> None:
    assert "--serve" in told.lines({"num_votes": 0})[0]
