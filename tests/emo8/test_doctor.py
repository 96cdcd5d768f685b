"""What `emo8 doctor` finds."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from emo8 import doctor
from emo8.cli import main


def checks(folder: Path = Path()) -> dict[str, doctor.Finding]:
    return {check.name: check for check in doctor.examine(folder)}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection leaves the test."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def test_doctor__names_every_package_with_its_version() -> None:
    found = checks()
    assert found["torch"].found == metadata.version("torch")
    assert set(doctor.PACKAGES) <= set(found)


def test_doctor__answers_without_importing_what_it_looks_for() -> None:
    program = (
        "import sys; from pathlib import Path; from emo8 import doctor; doctor.examine(Path()); "
        "print([name for name in ('torch', 'datasets', 'fiftyone', 'ray') if name in sys.modules])"
    )
    heavy = subprocess.check_output([sys.executable, "-c", program], text=True).strip()
    assert heavy == ("['torch']" if doctor._has_gpu_device() else "[]")


def test_doctor__missing_extra_is_a_note_with_its_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in ("ray", "timm"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    found = checks()
    assert found["ray"].state == "note" and found["ray"].remedy == "pip install 'emo8[cluster]'"
    assert found["timm"].state == "missing"
    assert main(["doctor"]) == 1


def test_doctor__token_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    assert main(["doctor", "--json"]) == 0
    out = capsys.readouterr().out
    assert "hf_secret" not in out
    token = next(check for check in json.loads(out) if check["name"] == "token")
    assert token["found"] == "present, not shown"


def test_doctor__unreachable_hub_says_what_works_offline() -> None:
    found = checks()["network"]
    assert found.state == "note" and "127.0.0.1:9 does not answer" in found.found
    assert "embedded" in found.remedy


def test_doctor__database_address_is_shown_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://me:pass@db.example:27017/x")
    assert checks()["database"].found == "FIFTYONE_DATABASE_URI at db.example:27017"


def test_doctor__folder_that_is_not_there_yet_stands_on_some_disk(tmp_path: Path) -> None:
    assert str(tmp_path) in checks(tmp_path / "not" / "yet")["disk"].found
