"""All layers and losses of our models: to import this registers them with Keras.

Do so before a file with them is loaded. Importing this imports Keras.
"""

from lakeshop.models.inputs import PiecewiseLinearEmbedding, RobustScaling
from lakeshop.models.likelihoods import DaysAhead, NegativeBinomial, NegativeBinomialHead
from lakeshop.models.members import MemberCrossentropy, MemberProbabilities, Members
from lakeshop.models.monotone import MonotoneCalibration
from lakeshop.models.reconstruction import OutputLoss, ReconstructionError

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
