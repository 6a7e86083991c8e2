"""Every decoding strategy; importing this package registers them.

To add one, write a function here and decorate it with `@strategy`; its widgets, its command-line parameters and its
contract tests follow from its signature.
"""

from mi_core.selection import STRATEGIES, Parameter, Selection, StepView, Strategy, get_strategy
from mi_core.strategies import budgets, certainty, graphs, revoking, tested

__all__ = [
    "STRATEGIES",
    "Parameter",
    "Selection",
    "StepView",
    "Strategy",
    "budgets",
    "certainty",
    "get_strategy",
    "graphs",
    "revoking",
    "tested",
]
