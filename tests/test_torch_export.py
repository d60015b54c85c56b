"""torch.export programs to float graphs, compared with torch itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cpcc.errors import ModelError
from cpcc.frontends.torch_export import strip_final_activation, to_graph
from cpcc.graph import Graph
from cpcc.models.exporting import export_module
from cpcc.models.float_program import run_program
from cpcc.targets import TARGETS
from support import compiled, detector_of
from torch_nodes import run_node


def run_graph(graph: Graph, x: torch.Tensor) -> torch.Tensor:
    values = {graph.input.name: x}
    for node in graph.nodes:
        values[node.output] = run_node(node.params, *(values[name] for name in node.inputs))
        assert values[node.output].shape == graph.output_tensor(node).shape, node.name
    assert set(values) == set(graph.tensors)
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)
    return values[graph.output.name]


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and batch statistics that differ everywhere."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
        for name, tensor in module.named_buffers():
            if name.endswith("running_var"):
                tensor.abs_().add_(0.1)
    return module.eval()


def check(module: nn.Module, shape: tuple[int, ...], seed: int = 0) -> Graph:
    """The graph of `module`, proved to compute the same."""
    module = randomized(module, seed)
    graph = to_graph(export_module(module, shape), "net")
    for _ in range(3):
        x = torch.randn(1, *shape)
        with torch.no_grad():
            expected = module(x.clone()).ravel().double()
        image = x[0].reshape(shape[0], -1, shape[-1]).permute(1, 2, 0) if len(shape) > 1 else x[0]
        actual = run_graph(graph, image.contiguous()).double()
        assert actual.shape == expected.shape
        assert (actual - expected).abs().max() <= 1e-5 * max(1.0, expected.abs().max())
    return graph


def kinds(graph: Graph) -> list[str]:
    return [type(node.params).__name__ for node in graph.nodes]


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(7, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def test_a_product_with_a_constant_matrix_is_a_linear_layer():
    assert kinds(check(Product(), (7,))) == ["Linear"]
    assert "Conv2d" in kinds(check(Product(), (4, 7)))


def test_mlp_folds_and_fuses_everything():
    net = nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 1, bias=False))
    graph = check(net, (7,))
    assert kinds(graph) == ["Linear", "Linear"]
    assert [node.name for node in graph.nodes] == ["0", "4"]
    assert graph.nodes[0].params.relu and not graph.nodes[1].params.relu


def test_pruned_weights_stay_zero_when_folded():
    net = randomized(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    with torch.no_grad():
        net[0].weight[:, 1:] = 0
    graph = to_graph(export_module(net, (4,)), "net")
    assert (graph.nodes[0].params.weight[:, 1:] == 0).all()


def test_flatten_permutes_the_columns():
    graph = check(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4 * 5, 4)), (2, 6, 7))
    assert kinds(graph) == ["Conv2d", "Linear"]


@pytest.mark.parametrize("stride", [1, (2, 1)])
@pytest.mark.parametrize("padding", [0, 1, (2, 0), "valid"])
@pytest.mark.parametrize("depthwise", [False, True])
def test_conv2d(stride, padding, depthwise):
    conv = nn.Conv2d(3, 3 if depthwise else 5, (3, 2), stride, padding, groups=3 if depthwise else 1)
    graph = check(nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten()), (3, 8, 7))
    assert kinds(graph)[0] == ("DepthwiseConv2d" if depthwise else "Conv2d")


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's own advice, when the module itself runs
@pytest.mark.parametrize("kernel", [1, 2, (3, 4)])
def test_same_padding(kernel):
    check(nn.Sequential(nn.Conv2d(2, 3, kernel, padding="same"), nn.Flatten(), nn.Linear(90, 2)), (2, 5, 6))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, 2, 1),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.AvgPool2d(2, divisor_override=3),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((3, 4)),
        nn.AdaptiveAvgPool2d((11, 9)),
        nn.AdaptiveAvgPool2d((None, 2)),
    ],
)
@pytest.mark.parametrize("shape", [(2, 7, 8), (1, 8, 5)])
def test_pooling(pool, shape):
    features = pool(torch.zeros(1, *shape)).numel()
    check(nn.Sequential(pool, nn.Flatten(), nn.Linear(features, 3)), shape)


def test_batch_norm_where_it_cannot_be_folded():
    head = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(2, affine=False))
    tail = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(18), nn.ReLU(), nn.Linear(18, 3), nn.ReLU(), nn.BatchNorm1d(3))
    graph = check(nn.Sequential(head, tail), (2, 6, 6))
    assert kinds(graph) == [
        "DepthwiseConv2d", "MaxPool2d", "DepthwiseConv2d", "Reshape", "Reshape", "DepthwiseConv2d", "Reshape",
        "Relu", "Linear", "Reshape", "DepthwiseConv2d", "Reshape",
    ]  # fmt: skip


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        y = self.conv(x.unsqueeze(1).squeeze(1))
        F.relu_(y)  # its result is not used: y itself changes
        y = F.max_pool2d(y, 2).clone().contiguous()
        return self.fc(y.reshape(1, -1)).detach()


def test_in_place_operations_change_every_view():
    assert kinds(check(Functional(), (1, 6, 6))) == ["Conv2d", "MaxPool2d", "Linear"]


class Overwriting(nn.Module):
    def __init__(self, views) -> None:
        super().__init__()
        self.conv, self.views = nn.Conv2d(3, 4, 1), views

    def forward(self, x):
        return self.views(self.conv(x))


def _slice_then_change(y):
    part = y[:, :2]
    y.relu_()
    return part.flatten(1)


def _change_a_slice(y):
    y[:, :2].relu_()
    return y.flatten(1)


def _change_then_use_the_slice_alone(y):
    return F.relu(y[:, :2], inplace=True).mean((2, 3))


def _change_through_a_permutation(y):
    turned = y.permute(0, 2, 3, 1)
    y.add_(y.mean((2, 3), keepdim=True))
    return turned.flatten(1)


def test_in_place_operations_and_other_views():
    """A slice is a copy here: a change that should show through it is refused, never lost."""
    for function in (_slice_then_change, _change_a_slice):
        with pytest.raises(ModelError, match="in-place operation on a tensor with other views"):
            check(Overwriting(function), (3, 4, 5))
    check(Overwriting(_change_then_use_the_slice_alone), (3, 4, 5))
    check(Overwriting(_change_through_a_permutation), (3, 4, 5))


def test_vector_to_image_and_squeezed_output():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(8, 1)

        def forward(self, x):
            return self.fc(self.conv(x.view(-1, 1, 4, 4)).flatten(1)).squeeze(-1)

    assert kinds(check(Net(), (16,))) == ["Reshape", "Conv2d", "Linear"]


def test_shared_module_and_weight_mask():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.register_buffer("mask", torch.ones(4, 4))

        def forward(self, x):
            x = F.relu(self.fc(x))
            self.fc(x)  # dead
            return F.linear(self.fc(x), self.fc.weight * self.mask)

    graph = check(Net(), (4,))
    assert kinds(graph) == ["Linear"] * 3
    assert graph.nodes[0].name == "fc"


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (nn.Sigmoid(), "Sigmoid"),
        (nn.Softmax(1), "Softmax"),
        (nn.LogSoftmax(-1), "LogSoftmax"),
    ],
)
def test_final_activation_is_dropped(layer, name):
    net = randomized(nn.Sequential(nn.Linear(4, 3), layer, nn.Flatten()))
    program = export_module(net, (4,))
    stripped, dropped = strip_final_activation(program)
    assert dropped == name
    x = torch.randn(5, 4)
    with torch.no_grad():
        assert np.allclose(run_program(stripped, x.numpy()), net[0](x).numpy(), atol=1e-6)
        assert np.allclose(run_program(program, x.numpy()), net[0](x).numpy(), atol=1e-6)
    assert kinds(to_graph(program, "net")) == ["Linear"]
    assert strip_final_activation(stripped) == (stripped, "")


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed):
    """Random stacks of every supported layer."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(6, 12)), int(rng.integers(6, 12)))
    layers: list[nn.Module] = []
    channels = shape[0]
    for _ in range(rng.integers(1, 4)):
        out = int(rng.integers(1, 6))
        choice = [
            nn.Conv2d(channels, out, int(rng.integers(1, 4)), int(rng.integers(1, 3)), 1),
            nn.Conv2d(channels, channels, 3, padding="same", groups=channels),
            nn.MaxPool2d(2, 1, 1),
            nn.AdaptiveAvgPool2d((int(rng.integers(1, 7)), int(rng.integers(1, 7)))),
        ][rng.integers(4)]
        layers += [choice, *([nn.BatchNorm2d(choice.out_channels)] if isinstance(choice, nn.Conv2d) else [])]
        layers += [nn.ReLU(inplace=bool(rng.integers(2)))] if rng.integers(2) else []
        channels = choice.out_channels if isinstance(choice, nn.Conv2d) else channels
    body = nn.Sequential(*layers).eval()
    features = body(torch.zeros(1, *shape)).numel()
    check(nn.Sequential(body, nn.Flatten(), nn.Linear(features, 4)), shape, seed=seed)


class Of(nn.Module):
    """A function as a module, between two layers that make it differ everywhere."""

    def __init__(self, function, shape: tuple[int, ...], outputs: int = 0) -> None:
        super().__init__()
        convolution = {1: nn.Linear, 2: nn.Conv1d, 3: nn.Conv2d}[len(shape)]
        arguments = (shape[0], shape[0]) if len(shape) == 1 else (shape[0], shape[0], 1)
        self.a, self.b = convolution(*arguments), convolution(*arguments)
        self.function = function

    def forward(self, x):
        return self.function(self.a(x), self.b(x))


VECTOR, SEQUENCE, IMAGE = (6,), (4, 6), (4, 6, 5)
FUNCTIONS = [
    (SEQUENCE, lambda a, b: F.conv1d(a, torch.ones(3, 4, 2), padding=1, dilation=2)),
    (SEQUENCE, lambda a, b: F.max_pool1d(a, 2) + F.avg_pool1d(b, 3, 2, 1)),
    (SEQUENCE, lambda a, b: F.adaptive_avg_pool1d(a, 3)),
    (SEQUENCE, lambda a, b: F.interpolate(a, scale_factor=3)),
    (SEQUENCE, lambda a, b: F.linear(a.transpose(1, 2), torch.ones(5, 4)).permute(0, 2, 1)),
    (SEQUENCE, lambda a, b: F.pad(a, (1, 2))),
    (SEQUENCE, lambda a, b: F.adaptive_max_pool1d(a, 3)),
    (IMAGE, lambda a, b: F.adaptive_max_pool2d(a, (3, 1))),
    (SEQUENCE, lambda a, b: a.mean(2) * b.amax(2)),
    (SEQUENCE, lambda a, b: a.mean(1, keepdim=True) - b),
    (IMAGE, lambda a, b: a.mean((2, 3)) - 2 * b.mean()),
    (IMAGE, lambda a, b: torch.add(a, b, alpha=2).flatten(1)),
    (IMAGE, lambda a, b: torch.sigmoid(a.mean((2, 3), keepdim=True)) * b),
    (IMAGE, lambda a, b: (a.amax(1, keepdim=True) * b).relu()),
    (IMAGE, lambda a, b: a.amax(3, keepdim=True) - b.amax(2, keepdim=True)),
    (IMAGE, lambda a, b: torch.cat([a, b.relu(), a[:, 1:2]], 1)),
    (IMAGE, lambda a, b: torch.cat([a, b], -1).permute(0, 3, 1, 2)),
    (IMAGE, lambda a, b: torch.stack([a, b], 2).reshape(1, 8, 6, 5)),
    (IMAGE, lambda a, b: torch.cat(a.chunk(2, 1)[::-1], 2)),
    (IMAGE, lambda a, b: a.split([1, 3], 1)[1] * b.narrow(2, 1, 1)[:, 1:]),
    (IMAGE, lambda a, b: a[:, :, 1:6:2, ::2] + b[:, :, ::2, 2:]),
    (IMAGE, lambda a, b: a[:, 2].unsqueeze(1) + b.unbind(3)[1].unsqueeze(3)),
    (IMAGE, lambda a, b: F.pad(a, (1, 0, 2, 1, 0, 3))),
    (IMAGE, lambda a, b: F.interpolate(a, scale_factor=(2, 3))),
    (IMAGE, lambda a, b: F.pixel_shuffle(a, 2)),
    (IMAGE, lambda a, b: a.reshape(1, 2, 2, 6, 5).transpose(1, 2).reshape(1, 4, 6, 5) + b),
    (IMAGE, lambda a, b: F.relu6(a + b) + F.relu(F.hardtanh(b))),
    (IMAGE, lambda a, b: a.flip(2, 3) + b.mean(1, keepdim=True).expand(1, 4, 6, 5)),
    (IMAGE, lambda a, b: F.conv2d(a, torch.arange(16.0).reshape(2, 2, 2, 2), groups=2, dilation=(2, 1))),
    (IMAGE, lambda a, b: F.conv_transpose2d(a, torch.arange(72.0).reshape(4, 2, 3, 3), None, (2, 3), (1, 2), (1, 0))),
    (IMAGE, lambda a, b: F.conv_transpose2d(a, torch.arange(48.0).reshape(4, 3, 2, 2), groups=2, dilation=2)),
    (IMAGE, lambda a, b: F.conv_transpose2d(a, torch.arange(16.0).reshape(4, 1, 2, 2), groups=4, stride=2)),
    (IMAGE, lambda a, b: a * torch.arange(4.0)[:, None, None] + torch.arange(30.0).reshape(6, 5)),
    (IMAGE, lambda a, b: 1 - a / 2 - torch.ones(4, 1, 1)),
    (IMAGE, lambda a, b: a.mul_(2).add_(b).sub_(1)),
    (VECTOR, lambda a, b: a * b - (a + b) ** 2),
    (IMAGE, lambda a, b: a.softmax(1) * b + a.softmax(3)),
    (SEQUENCE, lambda a, b: (a.softmax(-1) * b).mean(-1)),
    (IMAGE, lambda a, b: a.log_softmax(1) * b + F.log_softmax(a, 3)),
    (VECTOR, lambda a, b: torch.cat([a, b], 1)[:, 3:9].reshape(1, 2, 3).transpose(1, 2).reshape(1, 6)),
    (VECTOR, lambda a, b: F.conv2d(a.view(1, 2, 3, 1), torch.ones(2, 2, 2, 1))),
    (VECTOR, lambda a, b: -a.abs() + torch.rsub(b, 3) + b.clamp(-1, 2)),
    (VECTOR, lambda a, b: 0.5 * a * (1 + torch.erf(a / 2**0.5)) + b**3 * torch.sigmoid(b) - b.relu() * b),
]


@pytest.mark.parametrize(("shape", "function"), FUNCTIONS, ids=[str(i) for i in range(len(FUNCTIONS))])
def test_functions(shape, function):
    check(Of(function, shape), shape)


@pytest.mark.parametrize(
    "layer",
    [
        nn.LeakyReLU(0.2), nn.Hardtanh(-2, 1), nn.Hardswish(), nn.Hardsigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU(),
        nn.GELU("tanh"), nn.Mish(), nn.ELU(0.5), nn.CELU(2.0), nn.SELU(), nn.Softplus(), nn.LogSigmoid(), nn.ReLU6(),
        nn.Sigmoid(), nn.PReLU(), nn.Hardswish(inplace=True), nn.ReLU6(inplace=True),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_activations(layer):
    check(nn.Sequential(nn.Conv2d(2, 3, 2), layer, nn.MaxPool2d(2)), (2, 5, 6))
    check(nn.Sequential(nn.MaxPool1d(1), layer, nn.Linear(6, 2)), (2, 6))


def slopes(*values: float) -> nn.PReLU:
    layer = nn.PReLU(len(values))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(values))
    return layer


def many_slopes() -> nn.PReLU:
    return slopes(*(i / 300 for i in range(300)))


def test_slopes_per_channel() -> None:
    """One table for each different slope; of a vector, a series, an image, also behind a transpose."""
    for net, shape in ((nn.Sequential(nn.Linear(5, 3), slopes(0.1, -0.5, 2)), (5,)), (nn.Sequential(slopes(0.1, -0.5, 2)), (3, 6)),
                       (nn.Sequential(nn.Conv2d(2, 4, 2), slopes(0.3, 0.1, 0.3, 0)), (2, 5, 6)),
                       (nn.Sequential(nn.Flatten(2), slopes(0.1, 0.2), nn.Flatten()), (2, 3, 4))):  # fmt: skip
        check(net, shape)


class Sequence(nn.Module):
    """A recurrent layer over a transposed series, and what is taken of its results."""

    def __init__(self, layer: nn.Module, take) -> None:
        super().__init__()
        self.layer, self.take = layer, take

    def forward(self, x):
        y, state = self.layer(x.transpose(1, 2) if self.layer.batch_first else x.permute(2, 0, 1))
        return self.take(y, state[0] if isinstance(state, tuple) else state)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_recurrent_layers(kind):
    check(Sequence(kind(3, 5, batch_first=True), lambda y, h: y[:, -1]), (3, 7))
    check(Sequence(kind(3, 5, bias=False), lambda y, h: h[-1]), (3, 7))
    check(Sequence(kind(3, 5, 2, batch_first=True), lambda y, h: y.mean(1)), (3, 7))
    check(Sequence(kind(3, 5, 3), lambda y, h: h.transpose(0, 1).flatten(1)), (3, 7))
    check(Sequence(kind(3, 5, bidirectional=True), lambda y, h: y.permute(1, 2, 0)), (3, 7))
    check(Sequence(kind(3, 5, bidirectional=True), lambda y, h: torch.cat([h[0], h[1]], 1)), (3, 7))
    check(
        Sequence(kind(3, 5, 2, batch_first=True, bidirectional=True), lambda y, h: y[:, 2] + h[1:3].flatten()), (3, 7)
    )


class States(nn.Module):
    """A layer that begins with states of its own, and of which the cell's is read or not."""

    def __init__(self, layer: nn.Module, start: float, read: bool = False) -> None:
        super().__init__()
        self.layer, self.read = layer, read
        count = layer.num_layers * (2 if layer.bidirectional else 1)
        self.start = start * torch.linspace(-1, 1, count * 5).reshape(count, 1, 5)  # a constant, no parameter

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        start = (self.start, self.start) if isinstance(self.layer, nn.LSTM) else self.start
        y, state = self.layer(x.permute(2, 0, 1), start)
        return state[1][0] if self.read else y.permute(1, 2, 0)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_states_that_a_layer_begins_with(kind) -> None:
    check(States(kind(3, 5), 0.9), (3, 7))
    check(States(kind(3, 5, 2, bidirectional=True), 0.5), (3, 4))


def test_states_that_are_refused() -> None:
    for net, message in ((States(nn.LSTM(3, 5), 0.5, read=True), "the use of a cell state"),
                         (States(nn.GRU(3, 5), 3.0), "an initial state of 3")):  # fmt: skip
        with pytest.raises(ModelError, match=rf"^layer \(.*\): {message} is not supported"):
            to_graph(export_module(net, (3, 7)), "net")


def test_states_that_nothing_reads_are_not_computed() -> None:
    graph = to_graph(
        export_module(Sequence(nn.GRU(3, 5, 2, bidirectional=True), lambda y, h: y.mean(0)), (3, 7)), "net"
    )
    kinds = [type(n.params).__name__ for n in graph.nodes]
    assert kinds.count("Gru") == 4 and kinds.count("StridedCopy") == 4 and kinds.count("Concat") == 2, kinds


def test_residual_sums():
    block = Of(lambda a, b: F.relu(a + b) - F.relu6(a + b), IMAGE)
    assert kinds(check(block, IMAGE)) == ["Conv2d", "Conv2d", "Add", "WeightedSum", "WeightedSum", "StridedCopy"]


def test_ternary_weights_stay_ternary_behind_a_batch_norm():
    net = randomized(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 2)))
    with torch.no_grad():
        net[0].weight.copy_(0.37 * net[0].weight.sign() * (net[0].weight.abs() > 0.5))
    graph = to_graph(export_module(net, (2, 6, 6)), "net")
    weight = detector_of(graph, np.random.default_rng(0)).graph.nodes[0].params.weight
    assert set(np.unique(weight)) == {-127, 0, 127}


def test_borders_are_folded_into_the_convolution():
    net = nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(2, 3, 3, 2, 1), nn.Flatten(), nn.Linear(75, 2))
    graph = check(net, (2, 7, 8))
    assert kinds(graph) == ["Conv2d", "Linear"] and graph.nodes[0].params.padding == (3, 2, 2, 1)
    shared = Of(lambda a, b: F.conv2d(F.pad(a, (1, 1)), torch.ones(2, 4, 1, 3)) * F.pad(a, (1, 1)).mean(), IMAGE)
    assert "Pad" in kinds(check(shared, IMAGE))


def test_relu6_is_fused():
    graph = check(nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU6(), nn.Flatten()), (2, 5, 6))
    assert kinds(graph) == ["Conv2d", "StridedCopy"]
    assert graph.nodes[0].params.ceiling == 6


def test_a_permutation_behind_which_nothing_needs_the_order_costs_nothing():
    net = nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4), nn.Flatten(), nn.Unflatten(1, (4, 5)), nn.Linear(5, 2))
    assert kinds(check(net, (3, 6))) == ["Conv2d", "StridedCopy", "Conv2d", "Reshape"]
    last = Of(lambda a, b: a.transpose(1, 2).contiguous().mean(1), SEQUENCE)
    assert kinds(check(last, SEQUENCE)) == ["Conv2d", "Reshape", "Mean", "Reshape"]


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")], (1, 9, 9), r"^0 \(Conv2d.*\): padding with reflect"),
        ([nn.LayerNorm(3)], (3,), r"^0 \(LayerNorm.*\): aten.layer_norm is not supported; use BatchNorm.*: Linear"),
        ([nn.Upsample(size=(5, 9))], (1, 3, 3), r"^0 \(Upsample.*\): upsampling \(3, 3\) to \(5, 9\) .* whole factors"),
        ([nn.MaxPool2d(2, dilation=2)], (1, 9, 9), r"MaxPool2d.*dilation"),
        ([nn.ConstantPad1d(1, 2.0)], (1, 3), r"padding with 2.0 .*: zeros"),
        ([many_slopes()], (300, 2), r"a slope of 300 different values .* up to 256"),
        ([nn.AdaptiveMaxPool1d(2)], (3, 5), r"uneven windows, \(1, 5\) to \(1, 2\)"),
        ([nn.Conv3d(1, 1, 2)], (1, 3, 3, 3), r"input shape \(1, 1, 3, 3, 3\)"),
        ([nn.Linear(4, 2).double()], (4,), "weight of type torch.float64"),
    ],
)  # fmt: skip
def test_what_is_refused(layers, shape, message):
    with pytest.raises(ModelError, match=message) as error:
        to_graph(export_module(nn.Sequential(*layers), shape), "net")
    assert "\n" not in str(error.value)


def test_source_line_is_named():
    with pytest.raises(ModelError, match=r"conv \(Conv2d, test_torch_export\.py:\d+\): padding with circular"):
        net = Functional()
        net.conv = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")
        to_graph(export_module(net, (1, 4, 4)), "net")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(bad):
    net = nn.Linear(3, 2)
    with torch.no_grad():
        net.weight[0, 0] = bad
    with pytest.raises(ModelError, match="NaN or infinity"):
        to_graph(export_module(net, (3,)), "net")


def test_shared_weights_are_stored_once():
    """One convolution applied twice, as torch.export writes it: two nodes, one array of weights.

    (The kernels for the DSP extension interleave weights and biases, which differ: there each has its own.)"""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(50, 2)

        def forward(self, x):
            return self.fc(self.conv(self.conv(x)).flatten(1))

    graph = check(Net(), (2, 5, 5))
    assert kinds(graph) == ["Conv2d", "Conv2d", "Linear"]
    library = compiled(detector_of(graph, np.random.default_rng(0)), TARGETS["cortex-m0plus"]).library
    arrays = [line for line in library["t.c"].splitlines() if "_weights[" in line]
    assert len(arrays) == 2


class Branching(nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda v: v + 1, lambda v: v - 1, (x,))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Of(lambda a, b: torch.fft.fft(a).real, VECTOR), "fft|complex"),
        (Of(lambda a, b: torch.where(a > 0, a, b), VECTOR), r"aten\.(gt|where) is not supported"),
        (Branching(), r"cond.*: control flow \(cond\) is not supported; compute both branches"),
        (Of(lambda a, b: a.to(torch.float64), VECTOR), r"aten\.to is not supported"),
        (Of(lambda a, b: a[:, 2:2], VECTOR), r"zero-size result \(1, 0\)"),
        (
            Of(lambda a, b: a @ b.transpose(0, 1), VECTOR),
            r"aten\.matmul is not supported; use Linear with constant weights",
        ),
    ],
)
def test_programs_that_cannot_be_compiled(module, message):
    with pytest.raises(ModelError, match=message) as error:
        to_graph(export_module(module, (6,)), "net")
    assert "\n" not in str(error.value)


def test_programs_of_another_kind():
    net = nn.Linear(3, 2)
    batch = torch.export.Dim("batch", min=1, max=8)
    dynamic = torch.export.export(net, (torch.zeros(2, 3),), dynamic_shapes=({0: batch},))
    for program, message in [
        (dynamic, "dynamic"),
        (torch.export.export(net, (torch.zeros(8, 3),)), "batch size 1"),
        (torch.export.export(net.double(), (torch.zeros(1, 3).double(),)), "float64"),
        (
            torch.export.export(nn.Bilinear(2, 2, 1), (torch.zeros(1, 2), torch.zeros(1, 2))),
            "bilinear is not supported",
        ),
    ]:
        with pytest.raises(ModelError, match=message):
            to_graph(program, "net")
