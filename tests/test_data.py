"""Reading, checking, hashing, scaling and splitting samples."""

import pickle

import numpy as np
import pytest

from cpcc.data import Dataset, Scaling, load_dataset, make_dataset, sample_hashes, split
from cpcc.errors import DataError

X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_good_file_round_trips(tmp_path):
    data = load_dataset(save(tmp_path / "a.npz", x=X, y=Y, group=np.array(list("aabbcc"))))
    assert np.array_equal(data.x, X)
    assert np.array_equal(data.labels(), Y)
    assert data.group.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8", "int16", ">f4"])
def test_sample_dtypes_are_kept(tmp_path, dtype):
    data = load_dataset(save(tmp_path / "a.npz", x=X.astype(dtype), y=Y))
    assert data.x.dtype == np.dtype(dtype).newbyteorder("=")


def test_labels_may_be_missing_where_not_needed(tmp_path):
    data = load_dataset(save(tmp_path / "a.npz", x=X), need_labels=False)
    with pytest.raises(DataError, match="named y"):
        data.labels()


NAN = X.copy()
NAN[2, 1] = np.nan
BAD = {
    "float64": ({"x": X.astype("float64"), "y": Y}, "astype"),
    "float16": ({"x": X.astype("float16"), "y": Y}, "dtype float16"),
    "five axes": ({"x": X.reshape(6, 2, 1, 1, 1), "y": Y}, "shape"),
    "no x": ({"y": Y}, "named x"),
    "no y": ({"x": X}, "named y"),
    "lengths": ({"x": X, "y": Y[:5]}, "6 samples"),
    "group length": ({"x": X, "y": Y, "group": Y[:5]}, "group has shape"),
    "nan": ({"x": NAN, "y": Y}, "sample 2"),
    "no samples": ({"x": X[:0], "y": Y[:0]}, "no samples"),
    "no features": ({"x": X[:, :0], "y": Y}, "no samples"),
    "float labels": ({"x": X, "y": Y.astype("float32")}, "whole numbers"),
    "one class": ({"x": X, "y": Y * 0}, "one class"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arrays_are_refused(tmp_path, name):
    arrays, words = BAD[name]
    with pytest.raises(DataError, match=words) as caught:
        load_dataset(save(tmp_path / "a.npz", **arrays))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 7


class Gadget:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was opened",))


def test_bad_files_are_refused(tmp_path):
    good = save(tmp_path / "good.npz", x=X, y=Y).read_bytes()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"hello")
    (tmp_path / "pickle").write_bytes(pickle.dumps(Gadget()))
    (tmp_path / "cut").write_bytes(good[: len(good) // 2])
    (tmp_path / "flipped").write_bytes(good[:60] + bytes(40) + good[100:])
    np.save(tmp_path / "single.npy", X)
    objects = np.array([Gadget()] * 6, dtype=object)
    np.savez(tmp_path / "objects.npz", x=objects, y=Y)
    names = ["missing", ".", "empty", "text", "pickle", "cut", "flipped", "single.npy", "objects.npz"]
    for name in names:
        with pytest.raises(DataError) as caught:
            load_dataset(tmp_path / name)
        assert "\n" not in str(caught.value), name


def test_hashes_see_bytes_dtype_and_shape():
    base = sample_hashes(X)
    assert len(set(base)) == 6
    assert all(len(digest) == 16 for digest in base)
    assert sample_hashes(X[::-1]) == base[::-1]
    assert not set(base) & set(sample_hashes(X.view("int32")))
    assert not set(base) & set(sample_hashes(X.reshape(6, 1, 2)))


def test_scaling_per_feature_and_channel():
    random = np.random.default_rng(0)
    for shape in ((50, 3), (50, 3, 4, 5)):
        x = (random.normal(size=shape) * 9 + 700).astype(np.float32)
        x[:, 1] = 0.1
        scaled = Scaling.fit(x).apply(x)
        axes = (0, *range(2, len(shape)))
        assert scaled.dtype == np.float32
        assert np.allclose(scaled.mean(axes), 0, atol=1e-4)
        assert np.allclose(scaled.std(axes), [1, 0, 1], atol=1e-4)


def test_identity_scaling_and_wrong_width():
    image = np.full((2, 3, 4, 4), 7, np.uint8)
    assert (Scaling.identity((3, 4, 4)).apply(image) == 7).all()
    with pytest.raises(DataError, match="3 features or channels"):
        Scaling.identity((3,)).apply(X)


def rare(samples=1000, every=10):
    y = (np.arange(samples) % every == 0).astype(np.int64)
    return Dataset(np.arange(samples, dtype=np.float32).reshape(-1, 1), y, None)


def test_split_is_stratified_complete_and_seeded():
    data = rare()
    sides = split(data, seed=3).sides()
    assert {name: len(rows) for name, rows in sides.items()} == {
        "train": 700,
        "validation": 200,
        "calibration": 100,
    }
    assert [int(data.y[rows].sum()) for rows in sides.values()] == [70, 20, 10]
    assert np.array_equal(np.sort(np.concatenate(list(sides.values()))), np.arange(1000))
    assert np.array_equal(split(data, seed=3).train, sides["train"])
    assert not np.array_equal(split(data, seed=4).train, sides["train"])


def test_no_group_lies_on_two_sides():
    base = rare()
    group = np.random.default_rng(1).integers(0, 60, 1000)
    data = make_dataset(base.x, base.y, group)
    sides = split(data, seed=0).sides()
    seen = [set(data.group[rows].tolist()) for rows in sides.values()]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    for rows, wanted in zip(sides.values(), (0.7, 0.2, 0.1)):
        assert abs(len(rows) / 1000 - wanted) < 0.05
        assert abs(data.y[rows].mean() - 0.1) < 0.05


def test_split_without_the_important_class_names_the_side():
    with pytest.raises(DataError, match="calibration split: no sample of the important class 1"):
        split(rare(every=250), seed=0)
    with pytest.raises(DataError, match="train split: no sample of the important class 5"):
        split(rare(), seed=0, positive=5)
