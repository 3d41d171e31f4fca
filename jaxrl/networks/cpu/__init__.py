"""Convolutions that are fast on CPUs too; `run_stack` picks the form of a stack of them for the device."""

from jaxrl.networks.cpu.convolution import Conv, ConvSpec, ConvWeights, convolve
from jaxrl.networks.cpu.stacks import run_stack

__all__ = ["Conv", "ConvSpec", "ConvWeights", "convolve", "run_stack"]
