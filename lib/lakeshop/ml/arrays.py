"""Array types of the whole package."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Integers = NDArray[np.int64]
Ids = NDArray[np.int32]
Bools = NDArray[np.bool_]
Names = NDArray[np.str_]
