"""How likely a masked diffusion model finds a sequence, from its denoising passes (arXiv 2510.24088)."""

from mi_core.likelihood.curves import Curve, curve, exact_information
from mi_core.likelihood.estimates import PASSES, Estimate, Race, estimate, race
from mi_core.likelihood.methods import METHODS, Method, get_method
from mi_core.likelihood.question import Question, ask, exact_nll
from mi_core.likelihood.ratios import Ratio, log_ratio, model_log_ratio
from mi_core.likelihood.scan import MutationScan, mutation_scan

__all__ = [
    "METHODS",
    "PASSES",
    "Curve",
    "Estimate",
    "Method",
    "MutationScan",
    "Question",
    "Race",
    "Ratio",
    "ask",
    "curve",
    "estimate",
    "exact_information",
    "exact_nll",
    "get_method",
    "log_ratio",
    "model_log_ratio",
    "mutation_scan",
    "race",
]
