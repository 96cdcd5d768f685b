"""Recipes, and the overrides that the command line may give."""

import dataclasses
import subprocess
import sys
import time

import pytest

from pretrain.config import overrides, recipes, resolve, settings


@pytest.mark.parametrize("name", ["cpu_smoke", "cpu_demo", "b16", "l16_paper"])
def test_recipes__survive_being_written_and_read(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.recipe == name
    assert settings.from_dict(settings.as_dict(recipe)) == recipe


def test_recipes__unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"cpu_dmo.*did you mean 'cpu_demo'.*l16_paper"):
        recipes.get("cpu_dmo")


def test_override__sets_nested_fields_by_type() -> None:
    found = overrides.override(
        recipes.cpu_smoke(),
        {
            "optim.lr": "1e-3",
            "data.in_memory": "false",
            "views.scene_scale": "0.5,0.9",
            "data.text_columns": "caption",
            "model.fusion": "mlp_glu",
            "seed": "7",
        },
    )
    assert found.optim.lr == 1e-3
    assert found.data.in_memory is False
    assert found.views.scene_scale == (0.5, 0.9)
    assert found.data.text_columns == ("caption",)
    assert found.seed == 7
    assert found.model == dataclasses.replace(recipes.cpu_smoke().model, fusion="mlp_glu")


def test_override__unknown_field_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"--optim.lrr; did you mean --optim.lr\?"):
        overrides.override(recipes.cpu_smoke(), {"optim.lrr": "1"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("optim.lr", "fast", "--optim.lr fast: expected float"),
        ("data.batch_size", "1.5", "--data.batch_size 1.5: expected int"),
        ("data.in_memory", "maybe", "--data.in_memory maybe: expected bool"),
        ("views.ratio", "1", "--views.ratio 1: expected tuple"),
        ("model.image_size", "30", "model.image_size = 30 must be a multiple of model.patch_size"),
        ("model.scene_mask_ratio", "0.99", "leaves no patch of 16 visible"),
        ("system.precision", "fp8", "choose one of fp32, bf16"),
        ("loss.similarity", "-1", "must not be negative"),
        ("steps", "0", "set steps or epochs"),
    ],
)
def test_override__impossible_value_is_explained(name: str, value: str, message: str) -> None:
    with pytest.raises(ValueError) as problem:
        overrides.override(recipes.cpu_smoke(), {name: value})
    assert message in str(problem.value)


def test_override__steps_replace_epochs() -> None:
    found = overrides.override(recipes.b16(), {"steps": "5"})
    assert (found.steps, found.epochs) == (5, 0.0)


def test_resolve_steps__counts_the_global_batch() -> None:
    recipe = dataclasses.replace(recipes.b16(), epochs=2.0)
    assert resolve.resolve_steps(recipe, 1000, 2).steps == 4


def test_differences__name_setting_and_both_values() -> None:
    old = settings.as_dict(recipes.cpu_smoke())
    new = settings.as_dict(overrides.override(recipes.cpu_smoke(), {"optim.lr": "1.0"}))
    assert settings.differences(old, new) == ["optim.lr: 0.00015 before, 1.0 now"]


def test_help__needs_only_the_standard_library() -> None:
    code = (
        "import sys\nfrom pretrain.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "third = [m for m in ('torch', 'numpy', 'datasets', 'timm') if m in sys.modules]\n"
        "assert not third, third\n"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "uniemox pretrain cpu_demo" in done.stdout
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("/models/clip.pth", "clip.pth"),
        ("local-dir:/models/clip", "local-dir:clip"),
        ("~/clip.pth", "clip.pth"),
        ("../RUN/last/model.safetensors", "../RUN/last/model.safetensors"),
        ("timm:vit_base_patch16_224.mae", "timm:vit_base_patch16_224.mae"),
        ("open_clip:ViT-B-16/openai", "open_clip:ViT-B-16/openai"),
        ("user/name", "user/name"),
        ("", ""),
    ],
)
def test_written__names_no_folder_of_this_machine(place: str, shown: str) -> None:
    config = overrides.override(
        recipes.cpu_smoke(), {"init.weights": place, "teacher.name": place or "x"}
    )
    assert settings.written(config)["init"]["weights"] == shown
    assert settings.written(config)["teacher"]["name"] == (shown or "x")
    assert settings.from_dict(settings.written(config)).steps == config.steps
