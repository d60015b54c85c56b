"""cpcc's model file: write, read, refuse."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cpcc.archive import read_archive
from cpcc.errors import DataError, ModelError, UsageError
from cpcc.models.exporting import export_network
from cpcc.models.float_program import input_shapes, run_program
from cpcc.models.model_file import load_model, save_model
from cpcc.models.model_meta import ModelMeta

META = ModelMeta(
    name="net", positive=1, threshold=-0.25, input_dtype="uint8", scaling_mean=(1.5,), scaling_std=(2.0,),
    train_hashes=("ab",), calibration_hashes=("cd", "ef"), history=[{"epoch": 1}], settings={"keep": 0.1},
    cpcc_version="0.1.0",
)  # fmt: skip


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3), nn.Softmax(1))


def samples(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (n, 1, 4, 4)).astype(np.uint8)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "model.pt"
    save_model(path, net(), net().train(), (1, 4, 4), META, samples(5))
    return path


def test_round_trip(saved: Path):
    model = load_model(saved)
    assert model.meta == META
    assert model.calibration is not None and model.dense is not None
    assert np.array_equal(model.calibration, samples(5)) and model.calibration.dtype == np.uint8
    x = samples(7).astype(np.float32) / 255
    with torch.no_grad():
        expected = net()[:-1](torch.from_numpy(x)).numpy()
    for program in (model.program, model.dense):
        logits = run_program(program, x)
        assert logits.dtype == np.float64 and np.allclose(logits, expected, rtol=1e-5, atol=1e-6)
    assert list(input_shapes(model.program).values()) == [(1, 4, 4)]
    assert run_program(model.program, x[:0]).shape == (0, 3)


def test_equal_models_are_equal_bytes_without_pickles(saved: Path, tmp_path: Path):
    save_model(tmp_path / "again.pt", net(), net(), (1, 4, 4), META, samples(5))
    assert (tmp_path / "again.pt").read_bytes() == saved.read_bytes()
    assert str(Path(torch.__file__).parent).encode() not in saved.read_bytes()
    assert sorted(p.name for p in saved.parent.iterdir()) == ["model.pt"]


def test_users_own_archive(tmp_path: Path):
    path = tmp_path / "mine.pt2"
    torch.export.save(torch.export.export(net().eval(), (torch.zeros(1, 1, 4, 4),)), path)
    model = load_model(path)
    assert model.meta == ModelMeta(name="mine", classes=(0, 1, 2), has_meta=False)
    assert model.dense is None and model.calibration is None


def test_training_flags_are_restored(tmp_path: Path):
    module = net().train()
    module[0].eval()
    save_model(tmp_path / "m.pt", module, None, (1, 4, 4), META, None)
    assert module.training and not module[0].training
    assert load_model(tmp_path / "m.pt").calibration is None


def rewrite(path: Path, **extras: str) -> None:
    archive = read_archive(path)
    path.write_bytes(dataclasses.replace(archive, extras=archive.extras | extras).clean_bytes())


def npy(array: np.ndarray) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "reads format 1"),
        ({"threshold": None}, "threshold is not float"),
        ({"positive": True}, "positive is not int"),
        ({"classes": [0, "1"]}, "classes is not"),
        ({"scaling_std": [0.0]}, "not positive"),
        ({"scaling_std": []}, "impossible input scaling"),
        ({"input_dtype": "int64"}, "impossible input scaling or dtype"),
        ({"extra": 1}, "missing or unknown extra"),
    ],
)
def test_damaged_metadata(change: dict, message: str, saved: Path):
    values = json.loads(read_archive(saved).extras["cpcc.json"])
    rewrite(saved, **{"cpcc.json": json.dumps(values | change)})
    with pytest.raises(ModelError, match=message):
        load_model(saved)


@pytest.mark.parametrize(
    "text", ["?", "", base64.b64encode(b"no array").decode(), npy(np.array([[None]])), npy(np.zeros((2, 2)))]
)
def test_damaged_calibration(text: str, saved: Path):
    rewrite(saved, **{"calibration.npy64": text})
    with pytest.raises(ModelError, match=r"calibration\.npy64: "):
        load_model(saved)


def test_samples_of_another_shape(saved: Path):
    with pytest.raises(DataError, match=r"\(1, 4, 5\), the model expects \(1, 4, 4\)"):
        run_program(load_model(saved).program, np.zeros((2, 1, 4, 5)))


def test_export_network(tmp_path: Path):
    weights, other = tmp_path / "w.pt", nn.Linear(8, 4)
    torch.save(net().state_dict(), weights)
    program = export_network(net(), weights, (1, 4, 4))
    x = samples(2).astype(np.float32)
    with torch.no_grad():
        assert np.allclose(run_program(program, x), net()[:-1](torch.from_numpy(x)).numpy(), rtol=1e-5)
    with pytest.raises(ModelError, match=r"2 missing weights for Linear \(bias, weight\)"):
        export_network(other, weights, (8,))
    torch.save({"state_dict": nn.Linear(8, 3).state_dict()}, weights)
    with pytest.raises(ModelError, match=r"shape \(3,\), the network expects \(4,\)|shape \(3, 8\)"):
        export_network(other, weights, (8,))
    with pytest.raises(UsageError, match="--input-shape 0"):
        export_network(other, weights, (0,))
    with pytest.raises(ModelError, match="cannot be exported for input shape 7"):
        export_network(nn.Linear(8, 3), weights, (7,))


def test_export_opens_no_pickle(tmp_path: Path):
    path = tmp_path / "w.pt"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(ModelError, match="no plain state_dict"):
        export_network(nn.Linear(2, 2), path, (2,))
    for content in (b"", b"hello", path.read_bytes()[:-50]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="no plain state_dict"):
            export_network(nn.Linear(2, 2), path, (2,))
    with pytest.raises(ModelError, match="no such file"):
        export_network(nn.Linear(2, 2), tmp_path / "none", (2,))
    with pytest.raises(ModelError, match="is a folder"):
        export_network(nn.Linear(2, 2), tmp_path, (2,))


def test_unwritable_place(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        save_model(tmp_path / "file" / "m.pt", nn.Linear(2, 2), None, (2,), META, None)
