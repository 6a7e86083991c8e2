"""The axis letters of the whole package and the array types that carry them.

    B  sequences in a batch        V  symbols of the vocabulary (the mask is not one of them)
    N  positions of a sequence     D  width of the hidden states
    T  decoding steps

Package units are nats and seconds. The annotations are checked against real arrays while the tests run
(jaxtyping + beartype) and cost nothing otherwise.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Tokens = Int[Tensor, "B N"]  # ids 0..V-1; V is the mask
Masked = Bool[Tensor, "B N"]  # True where the position is still open
LogProbs = Float[Tensor, "B N V"]  # nats, normalised over V
Hidden = Float[Tensor, "B N D"]
Outside = Float[Tensor, "B N"]  # share of probability
Attention = Float[Tensor, "B heads N N"]
PairBatch = Float[Tensor, "B N N"]

Row = Int[Tensor, " N"]  # one sequence
MaskRow = Bool[Tensor, " N"]
VectorN = Float[Tensor, " N"]
LogProbRow = Float[Tensor, "N V"]
PairMatrix = Float[Tensor, "N N"]
