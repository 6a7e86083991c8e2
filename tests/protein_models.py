"""A tiny ESM-C with fixed random weights, in the place of the one that ships: quick, and the same on every machine."""

from pathlib import Path

import torch

SIZE = {"d_model": 32, "n_heads": 2, "n_layers": 1}


def save_tiny_esmc(path: Path) -> Path:
    """Write the weight file."""
    from mi_core.models.esmc import KIND, build_esmc
    from mi_core.weights import WeightsHeader, save_weights

    torch.manual_seed(7)
    network = build_esmc(**SIZE)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)  # new weights are so small that nothing depends on anything
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_weights(path, network.state_dict(), WeightsHeader(KIND, SIZE))
