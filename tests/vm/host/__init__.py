# SPDX-License-Identifier: MIT
"""The host's side of the VM tests: packages, kernels, build root, initramfs, machine, report."""
