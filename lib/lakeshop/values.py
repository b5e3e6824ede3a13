"""The kinds of values that the configuration is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=0)]


class Frozen(BaseModel):
    """A value of the configuration: unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
