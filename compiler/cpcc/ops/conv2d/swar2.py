"""Dense convolution for Armv6-M: two pixels in a word, a tile of 2 channels by 4 pixels."""

from __future__ import annotations

from functools import partial

from cpcc.costs import fitted
from cpcc.formats.swar import TWO
from cpcc.ops.base import ARMV6M, ROUND_ROW_FILES, Kernel
from cpcc.ops.conv2d import swar

FILES = (*swar.FILES, "kernels/cpcc_swar2.h", "kernels/cpcc_swar2.c", *ROUND_ROW_FILES)

KERNEL = Kernel(
    "conv2d_swar2", partial(swar.pack_for, TWO), fitted("conv2d_swar2", partial(swar.features_for, TWO)), ARMV6M,
    swar.applies, shared=FILES,
)  # fmt: skip
