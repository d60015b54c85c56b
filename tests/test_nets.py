"""Named networks, networks from files, final activations."""

import pytest
import torch
from torch import nn

from cpcc.errors import ModelError, UsageError
from cpcc.nets import NETS, check_net, load_net, strip_final_activation

SHAPES = {"mlp": (30,), "cnn3": (3, 64, 48), "lenet5": (1, 28, 28), "dscnn": (1, 49, 10)}


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", NETS)
def test_named_nets_return_logits(name, outputs):
    net = load_net(name, SHAPES[name], outputs)
    assert net(torch.zeros(2, *SHAPES[name])).shape == (2, outputs)


def test_cnn3_is_the_papers():
    net = load_net("cnn3", (3, 128, 128), 2)
    assert sum(weights.numel() for weights in net.parameters()) == 33_106


def test_published_sizes():
    assert sum(w.numel() for w in load_net("lenet5", (1, 28, 28), 10).parameters()) == 61_706
    # Published with biases in the nine convolutions before batch norm, which do nothing there.
    assert sum(w.numel() for w in load_net("dscnn", (1, 49, 10), 12).parameters()) == 23_756 - 9 * 64


SMALLEST = {"cnn3": 29, "lenet5": 12, "dscnn": 4}


@pytest.mark.parametrize("name", SMALLEST)
def test_smallest_image_fits_and_a_smaller_one_is_refused(name):
    size = SMALLEST[name]
    assert check_net(load_net(name, (1, size, size), 1), (1, size, size), name) == 1
    with pytest.raises(ModelError, match="too small"):
        load_net(name, (1, size, size - 1), 1)
    with pytest.raises(ModelError, match="takes images"):
        load_net(name, (30,), 1)


def test_mlp_flattens_images():
    assert load_net("mlp", (1, 8, 8), 1)(torch.zeros(2, 1, 8, 8)).shape == (2, 1)


def test_net_from_a_file_with_a_neighbour(tmp_path):
    (tmp_path / "width.py").write_text("WIDTH = 7\n")
    code = "from torch import nn\nfrom width import WIDTH\ndef make(): return nn.Linear(WIDTH, 2)\nN = 3\n"
    (tmp_path / "net.py").write_text(code)
    assert load_net(f"{tmp_path}/net.py:make", (7,), 1)(torch.zeros(2, 7)).shape == (2, 2)
    with pytest.raises(UsageError, match="no callable named N"):
        load_net(f"{tmp_path}/net.py:N", (7,), 1)
    with pytest.raises(ModelError, match="does not take"):
        load_net(f"{tmp_path}/net.py:make", (8,), 1)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def make(): return 3", "returned int"),
        ("def make(): 1 / 0", "ZeroDivisionError"),
        ("def make(:", "SyntaxError"),
        ("import no_such_module_at_all", "ModuleNotFoundError"),
        ("def other(): pass", "no callable named make"),
    ],
)
def test_bad_files_give_one_line(tmp_path, code, words):
    (tmp_path / "net.py").write_text(code)
    with pytest.raises(UsageError, match=words) as caught:
        load_net(f"{tmp_path}/net.py:make", (7,), 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["resnet", "missing.py:make", ":make", "net.py:"])
def test_unknown_specs(spec):
    with pytest.raises(UsageError):
        load_net(spec, (7,), 1)


@pytest.mark.parametrize("last", [nn.Sigmoid(), nn.Softmax(1), nn.LogSoftmax(1)])
def test_final_activation_module_is_removed(last):
    net = nn.Sequential(nn.Linear(4, 2), nn.Sequential(nn.Sigmoid(), nn.Linear(2, 2)), nn.Sequential(last))
    x = torch.randn(3, 4)
    bare = strip_final_activation(net, (4,))
    assert torch.equal(bare(x), net[1](net[0](x)))
    assert torch.equal(last(bare(x)), net(x))


def test_a_network_of_logits_is_untouched():
    net = nn.Sequential(nn.Linear(4, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Flatten(0))
    assert strip_final_activation(net, (4,)) is net


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x)).squeeze(1)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.act = nn.Linear(4, 4), nn.Linear(4, 1), nn.Sigmoid()

    def forward(self, x):
        return self.act(self.b(self.act(self.a(x))))


@pytest.mark.parametrize(("net", "words"), [(Functional(), "function sigmoid"), (Shared(), "in the middle")])
def test_final_activations_that_cannot_be_removed(net, words):
    with pytest.raises(ModelError, match=words):
        strip_final_activation(net, (4,))
