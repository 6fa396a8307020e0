"""What the parts of a policy share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
# Sums of money and time, as far as decimals and floats of them add up.
NotNegative = Annotated[float, Field(ge=0, le=1e12)]


class Frozen(BaseModel):
    """A part of a policy: unknown fields and infinite numbers are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
