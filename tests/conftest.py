"""One torch thread for every test: bits are promised for one thread count, and tests run side by side."""

import torch

torch.set_num_threads(1)
