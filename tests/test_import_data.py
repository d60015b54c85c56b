"""Folders of images and CSV tables become .npz files that the rest of cpcc reads."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cpcc.cli import cli
from cpcc.data import load_dataset
from cpcc.errors import DataError, UsageError
from cpcc.import_data import import_images, import_table


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate(("crack", "fine", "rust")):
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.new("RGB", (8, 6), (10 * number, 0, i)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_images_by_class(pictures):
    arrays = import_images(pictures, (3, 4), gray=False, important="fine")
    assert arrays["x"].shape == (6, 3, 3, 4) and arrays["x"].dtype == np.uint8
    assert arrays["y"].tolist() == [0, 0, 1, 1, 0, 0]
    assert arrays["y_multi"].tolist() == [0, 0, 1, 1, 2, 2]
    assert arrays["classes"].tolist() == ["crack", "fine", "rust"]
    assert arrays["x"][2, 0].tolist() == [[10] * 4] * 3
    assert import_images(pictures, (3, 4), gray=True)["x"].shape == (6, 1, 3, 4)


def test_images_are_averaged_not_picked(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(np.array([[0, 100], [20, 40]], np.uint8)).save(tmp_path / name / "x.png")
    assert import_images(tmp_path, (1, 1), gray=True)["x"].ravel().tolist() == [40, 40]


def test_photos_are_turned_upright(tmp_path):
    """A camera held upright stores rows as columns, and says so in the file."""
    upright = np.arange(24, dtype=np.uint8).reshape(6, 4) * 10
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn a quarter clockwise to show it
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.rot90(upright)).save(tmp_path / name / "x.png", exif=exif)
    np.testing.assert_array_equal(import_images(tmp_path, (6, 4), gray=True)["x"], np.stack([upright[None]] * 2))


def test_images_of_16_bits_keep_their_grays(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(np.array([[0, 256], [32768, 65535]], np.uint16)).save(tmp_path / name / "x.png")
    (tmp_path / ".cache").mkdir()  # no class
    assert import_images(tmp_path, (2, 2), gray=True)["x"][0].ravel().tolist() == [0, 1, 128, 255]
    assert import_images(tmp_path, (2, 2), gray=False)["x"][0, 2].ravel().tolist() == [0, 1, 128, 255]
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "a" / "y.tif")
    with pytest.raises(DataError, match=r"y\.tif: cannot be read as an image \(pixels of mode F; save it with 8 or 16"):
        import_images(tmp_path, (2, 2), gray=True)


def test_broken_images_and_folders_are_named(pictures):
    (pictures / "crack" / "0.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"crack/0\.png: cannot be read as an image"):
        import_images(pictures, (4, 4), gray=True)
    (pictures / "fine" / "0.png").unlink()
    (pictures / "fine" / "1.png").unlink()
    (pictures / "crack" / "0.png").unlink()
    with pytest.raises(DataError, match="fine: no image"):
        import_images(pictures, (4, 4), gray=True)
    with pytest.raises(DataError, match="0 class folders"):
        import_images(pictures / "crack", (4, 4), gray=True)


def table(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    return path


def test_table(tmp_path):
    path = table(tmp_path, "id,a,b,state,unit\nx,1,2.5,ok,u2\ny,-3,4,broken,u1\nz,0,0,ok,u2\n")
    arrays = import_table(path, "state", important="broken", drop=["id"], group="unit")
    assert arrays["x"].tolist() == [[1, 2.5], [-3, 4], [0, 0]] and arrays["x"].dtype == np.float32
    assert arrays["y"].tolist() == [0, 1, 0]
    assert arrays["classes"].tolist() == ["broken", "ok"]
    assert arrays["group"].tolist() == [1, 0, 1]


def test_numeric_labels_sort_by_value(tmp_path):
    path = table(tmp_path, "a,y\n1,10\n1,9\n")
    assert import_table(path, "y")["classes"].tolist() == ["9", "10"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,0\nfoo,1\n", r"line 3, column 'a': 'foo' is no number"),
        ("a,y\n1,0\n,1\n", r"line 3, column 'a': no value; fill it in"),
        ("a,y\n1,0\nnan,1\n", r"line 3, column 'a': 'nan' is not finite"),
        ("a,y\n1,0\n1\n", "line 3 has 1 fields, the header has 2"),
        ("a,y\n", "no rows"),
        ("a,b\n1,2\n", r"no column 'y' \(--label\); found: a, b"),
        ("y\n1\n2\n", "no column is left"),
        ("a,y\n1,0\n2,0\n", "one class only"),
        ("a,y\n1,0\n2,1\n", "no class 'bad'"),
        ("a,y\n1,0\n1e39,1\n", "line 3, column 'a': '1e39' is no finite float32"),
        ("a;y\n1,5;0\n2;1\n", "fields are separated by ';'; needed: commas"),
        ("a\ty\n1\t0\n", r"fields are separated by '\\t'; needed: commas"),
        ("a,a,y\n1,2,0\n1,2,1\n", "two columns are called 'a'"),
        ("a,y\n1,1\n2,0\n3,1.0\n", "y: '1' and '1.0' are one number; write it in one way"),
        ("a,y\n1,0\n2, \n", "line 3, column 'y': no label"),
    ],
)
def test_bad_tables_are_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        import_table(table(tmp_path, text), "y", important="bad" if "bad" in message else None)


def test_spaces_behind_commas_belong_to_nothing(tmp_path):
    arrays = import_table(table(tmp_path, "a, b, y\n1, 2, ok\n3, 4, bad \n"), "y", important="bad")
    assert arrays["x"].tolist() == [[1, 2], [3, 4]] and arrays["y"].tolist() == [0, 1]


def test_a_table_in_another_encoding_is_named(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,y\n1,gut\n2,schön\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.csv: is not UTF-8 \(byte 15\); save it as UTF-8"):
        import_table(tmp_path / "t.csv", "y")


def test_command_writes_what_prune_reads(tmp_path, pictures):
    out = tmp_path / "out.npz"
    done = CliRunner().invoke(
        cli, ["data", str(pictures), "--size", "5x4", "--gray", "--important", "crack", "-o", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "6 samples of shape (1, 5, 4), 2 of them crack" in done.output
    assert load_dataset(out).x.shape == (6, 1, 5, 4)
    path = table(tmp_path, "a,y\n1,0\n2,1\n3,1\n")
    done = CliRunner().invoke(cli, ["data", str(path), "--label", "y", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert load_dataset(out).labels().tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("source", "words", "message"),
    [
        ("pictures", ("--group", "patient"), "--group: is for a .csv table; leave it out here"),
        ("pictures", ("--label", "y"), "--label: is for a .csv table"),
        ("t.csv", ("--gray",), "--gray: is for images; leave it out here"),
        ("t.csv", ("--size", "32x32"), "--size: is for images"),
    ],
)
def test_an_option_without_effect_is_refused(tmp_path, pictures, source, words, message):
    path = pictures if source == "pictures" else table(tmp_path, "a,y\n1,0\n2,1\n")
    done = CliRunner().invoke(cli, ["data", str(path), *words, "-o", str(tmp_path / "x.npz")])
    assert isinstance(done.exception, UsageError) and message in str(done.exception)
    assert not (tmp_path / "x.npz").exists()


def test_a_part_for_the_test_is_set_aside(tmp_path):
    """Whole machines, both classes, nothing lost, the same each time."""
    rows = "".join(f"{i},{i % 20},{int(i % 4 == 0)}\n" for i in range(200))
    path, train, test = table(tmp_path, "a,machine,y\n" + rows), tmp_path / "train.npz", tmp_path / "test.npz"
    command = ["data", str(path), "--group", "machine", "-o", str(train), "--test", str(test), "--test-share", "0.2"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0 and f"wrote {test}: 40 samples of shape (1,)" in done.output, done.output
    a, b = load_dataset(train), load_dataset(test)
    assert sorted(np.concatenate([a.x, b.x]).ravel().tolist()) == list(range(200))
    assert a.labels().sum() == 40 and b.labels().sum() == 10
    machines = [set((each.x.ravel() % 20).tolist()) for each in (a, b)]
    assert not machines[0] & machines[1]
    first = test.read_bytes()
    CliRunner().invoke(cli, command)
    assert test.read_bytes() == first


def test_a_test_part_that_cannot_be(tmp_path):
    path = table(tmp_path, "a,y\n1,0\n2,0\n3,1\n")
    out = ["-o", str(tmp_path / "a.npz"), "--test"]
    few = CliRunner().invoke(cli, ["data", str(path), *out, str(tmp_path / "b.npz")])
    assert isinstance(few.exception, DataError) and "the test part has no sample of label 1; give more samples" in str(
        few.exception
    )
    same = CliRunner().invoke(cli, ["data", str(path), *out, str(tmp_path / "." / "a.npz")])
    assert "is the output too" in str(same.exception)
    assert not (tmp_path / "a.npz").exists()
