"""The loader's speed script counts what it says, on a few small pictures."""

from benchmarks.lab.speed import loader
from tests.conftest import encoded, picture


def test_measure__loads_both_views_and_gives_every_ratio() -> None:
    pictures = [encoded(picture(k, (320, 240)), quality=85) for k in range(loader.BATCH)]
    found = loader.measure(pictures, (320, 240), rounds=1)
    assert found["times_image_folder"] > 0
    for name in ("ours", "image_folder", "decode_scaled", "decode_full"):
        assert found[f"{name}_ms"] > 0
    assert {"share_of_decode_scaled", "share_of_decode_full"} <= set(found)
