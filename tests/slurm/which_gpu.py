#!/usr/bin/env python3
"""In hpcqrl's place: says which host this rank is on, and which GPU CUDA would find."""

import os
import platform

from hpcqrl.parallel.launcher import take_gpu

take_gpu()
os.write(1, f"rank on {platform.node()} has GPU {os.environ.get('CUDA_VISIBLE_DEVICES')}\n".encode())
