"""Every way of getting pairwise MI, behind one interface; importing this package registers them.

To add one, write a function here and decorate it with `@estimator`; the commands, the Estimators page and the contract
tests follow from its signature.
"""

from mi_core.estimators import first_order, one_pass, probed
from mi_core.estimators.registry import ESTIMATORS, Estimator, Task, get_estimator

__all__ = ["ESTIMATORS", "Estimator", "Task", "first_order", "get_estimator", "one_pass", "probed"]
