"""All layers and losses of our models: to import this registers them with Keras.

Do so before a file with them is loaded. Importing this imports Keras.
"""

from lakeshop.ml.inputs import PiecewiseLinearEmbedding, RobustScaling
from lakeshop.ml.likelihoods import DaysAhead, NegativeBinomial, NegativeBinomialHead
from lakeshop.ml.members import MemberCrossentropy, MemberProbabilities, Members
from lakeshop.ml.monotone import MonotoneCalibration
from lakeshop.ml.reconstruction import OutputLoss, ReconstructionError

__all__ = [
    "DaysAhead",
    "MemberCrossentropy",
    "MemberProbabilities",
    "Members",
    "MonotoneCalibration",
    "NegativeBinomial",
    "NegativeBinomialHead",
    "OutputLoss",
    "PiecewiseLinearEmbedding",
    "ReconstructionError",
    "RobustScaling",
]
