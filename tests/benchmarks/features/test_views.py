from __future__ import annotations

import numpy as np

from benchmarks.features import backbones
from benchmarks.features.views import PersonCrop, person_view

PIXELS = np.zeros((100, 200, 3), dtype=np.uint8)


def test_person_view__square_with_the_margin_asked_for():
    box = (90.0, 40.0, 110.0, 60.0)
    for margin, side in ((0.0, 20), (0.15, 26), (0.5, 40)):
        crop = PersonCrop(margin=margin)
        assert person_view(PIXELS, box, is_share=False, crop=crop).shape == (side, side, 3)
    tiny = (50.0, 50.0, 52.0, 52.0)
    assert person_view(PIXELS, tiny, is_share=False, crop=PersonCrop(min_side_px=30)).shape[0] == 30
    assert person_view(PIXELS, None, is_share=False).shape == PIXELS.shape


def test_person_view__agrees_with_the_one_of_pretraining():
    from pretrain.config.settings import ViewConfig
    from pretrain.views.cut import person_region

    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = np.sort(rng.random(2)), np.sort(rng.random(2))
        margin = float(rng.choice([0.0, 0.15, 0.4]))
        people = [{"x0": x[0], "y0": y[0], "x1": x[1], "y1": y[1]}]
        config = ViewConfig(person_margin=margin, person_jitter=0.0)
        left, top, right, bottom = person_region(people, 200, 100, config)
        box = (x[0], y[0], x[1], y[1])
        cut = person_view(PIXELS, box, is_share=True, crop=PersonCrop(margin=margin))
        assert abs(cut.shape[0] - (bottom - top)) <= 1 and abs(cut.shape[1] - (right - left)) <= 1


def test_load__a_run_brings_the_margin_it_was_trained_with(monkeypatch):
    from pretrain.weights import encoder as checkpoint

    assert backbones.load("random:cpu_smoke").crop == PersonCrop()
    assert backbones.load("pixels:4").crop == PersonCrop()
    made = checkpoint.random_encoder("cpu_smoke", 0)
    object.__setattr__(made.config.views, "person_margin", 0.4)
    monkeypatch.setattr(checkpoint, "random_encoder", lambda *_: made)
    assert backbones.load("random:cpu_smoke").crop.margin == 0.4
