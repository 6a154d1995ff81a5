"""The same parts on the bench's own LocalStack, so that the model can be held against runs that were measured.

What differs from AWS is where time goes: one process serves all requests, one at a time, and functions and the bench
share what is left of two cores. Its few figures are calibrated on one run and held against others.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.capacity.shared import Shared
from bench.errors import CapacityError

if TYPE_CHECKING:
    from simpy import Environment
    from simpy.events import Event

    from bench.capacity.world import Asked, Steps

_FILE: Final = "emulator.toml"


class Settings(BaseModel):
    """What the embedded target sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batches_at_a_time: Annotated[int, Field(ge=1)]
    invocations_at_a_time: Annotated[int, Field(ge=1)]


class Starting(BaseModel):
    """CPU seconds of what is only done once.

    unpack_s: of DataProcessor's bundle, which LocalStack unpacks after the stack is there, while the first ticks come;
    nothing of it starts before. environment_s: of a function's environment, until it has answered once, beside the
    work. decoder_s: of the process that decodes Parquet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unpack_s: Annotated[float, Field(ge=0)]
    environment_s: dict[str, Annotated[float, Field(ge=0)]]
    decoder_s: Annotated[float, Field(ge=0)]


class Calibrated(BaseModel):
    """What one run was used for.

    slowness: of the machine, against the one that the requests were measured on. start_s: from an upload to a function
    that is ready.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slowness: Annotated[float, Field(gt=0)]
    start_s: Annotated[float, Field(ge=0)]
    upload_bytes_a_second: Annotated[float, Field(gt=0)]


class Parameters(BaseModel):
    """All of the file. server_ms: of an operation, for a request and for each item in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_ms: dict[str, tuple[float, float]]
    settings: Settings
    starting: Starting
    calibrated: Calibrated


@cache
def parameters() -> Parameters:
    """Return the parameters that come with the bench. Raises CapacityError."""
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    try:
        fields: dict[str, Any] = tomllib.loads(text)
        fields.pop("as_of", None)
        return Parameters.model_validate(fields)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CapacityError(f"{_FILE}: {error}") from error


@dataclass(slots=True, eq=False)
class TwoCores:
    """Where everything of a run takes its time: one core serves, functions compute on the other."""

    env: Environment
    parameters: Parameters
    server: Shared
    cores: Shared
    unpacked: Event

    @classmethod
    def of(cls, env: Environment, of: Parameters) -> TwoCores:
        """Return a machine that unpacks what was just deployed, and does nothing else."""
        cores = Shared(env, 1.0, 1.0)
        return cls(env, of, Shared(env, 1.0, 1.0), cores, cores.use(of.starting.unpack_s * of.calibrated.slowness))

    def upload(self, size_bytes: float) -> Event:
        """Take an object in, through the process that serves all."""
        of = self.parameters.calibrated
        return self.server.use(size_bytes / of.upload_bytes_a_second + self.parameters.server_ms["PutObject"][0] / 1000)

    def start(self, function: str, alike: int) -> Steps[None]:
        """Start environments."""
        if function == "DataProcessor":
            yield self.unpacked
        yield from self.serve(self.parameters.starting.environment_s[function], {}, alike)

    def serve(self, cpu_s: float, asked: Asked, alike: int) -> Steps[None]:
        """Compute, and have requests served, for each of some who are alike."""
        slowness = self.parameters.calibrated.slowness
        served_ms = self.parameters.server_ms["Invoke"][0] if cpu_s else 0.0
        for operation, (requests, of_them) in asked.items():
            fixed_ms, item_ms = self.parameters.server_ms[operation]
            served_ms += requests * fixed_ms + of_them * item_ms
        yield self.server.use(served_ms / 1000 * slowness, alike=alike)
        yield self.cores.use(cpu_s * slowness, alike=alike)
