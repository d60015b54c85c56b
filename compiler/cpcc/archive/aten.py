"""The functions a program may call: pure tensor operations without access to files, code or devices."""

from __future__ import annotations

# Wider than what the compiler supports, so that its own message can name an unsupported layer.
ATEN_OPS = frozenset(
    f"torch.ops.aten.{op}"
    for op in """
    linear.default conv1d.default conv1d.padding conv2d.default conv2d.padding conv3d.default
    conv_transpose1d.default conv_transpose2d.input convolution.default addmm.default mm.default bmm.default
    matmul.default batch_norm.default _native_batch_norm_legit_no_training.default layer_norm.default
    group_norm.default instance_norm.default
    relu.default relu_.default relu6.default relu6_.default leaky_relu.default leaky_relu_.default
    prelu.default elu.default elu_.default selu.default selu_.default celu.default gelu.default silu.default
    silu_.default mish.default mish_.default hardtanh.default hardtanh_.default hardswish.default
    hardswish_.default hardsigmoid.default hardsigmoid_.default sigmoid.default sigmoid_.default tanh.default
    tanh_.default softplus.default log_sigmoid.default softmax.int log_softmax.int
    _softmax.default _log_softmax.default
    max_pool1d.default max_pool2d.default max_pool2d_with_indices.default avg_pool1d.default
    avg_pool2d.default
    adaptive_avg_pool1d.default
    adaptive_avg_pool2d.default _adaptive_avg_pool2d.default
    adaptive_max_pool1d.default adaptive_max_pool2d.default mean.default mean.dim sum.default sum.dim_IntList
    amax.default amin.default max.default
    flatten.using_ints view.default reshape.default _unsafe_view.default unflatten.int squeeze.default
    squeeze.dim squeeze.dims unsqueeze.default permute.default transpose.int t.default movedim.int
    contiguous.default clone.default detach.default detach_.default alias.default expand.default
    dropout.default dropout_.default feature_dropout.default alpha_dropout.default
    add.Tensor add_.Tensor add.Scalar sub.Tensor sub_.Tensor sub.Scalar mul.Tensor mul_.Tensor mul.Scalar
    div.Tensor div_.Tensor div.Scalar neg.default abs.default exp.default log.default sqrt.default
    rsqrt.default square.default pow.Tensor_Scalar maximum.default minimum.default clamp.default
    clamp_.default clamp_min.default
    rsub.Scalar rsub.Tensor pixel_shuffle.default flip.default unbind.int
    celu_.default zeros.default
    cat.default stack.default split.Tensor split_with_sizes.default chunk.default
    slice.Tensor select.int narrow.default pad.default constant_pad_nd.default
    upsample_nearest1d.default upsample_nearest1d.vec upsample_nearest2d.default upsample_nearest2d.vec upsample_bilinear2d.vec
    gru.input lstm.input rnn_tanh.input rnn_relu.input lift_fresh_copy.default zeros_like.default
    ones_like.default
    """.split()
)
