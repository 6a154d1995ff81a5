"""Everything that the bench raises on purpose: one family, so that a command can answer in one line."""


class BenchError(Exception):
    """The bench cannot do what it was asked; the message says why in one sentence (exit status 2)."""


class TargetError(BenchError):
    """A target could not be started, reached or stopped."""


class WorkloadError(BenchError):
    """The workload that was asked for cannot be made."""


class InputError(BenchError):
    """The user's own tick file cannot be read as one."""


class DeploymentError(BenchError):
    """CloudFormation did not do what it was asked."""


class ReadBackError(BenchError):
    """A result could not be read back, or is not what this code writes."""


class FunctionError(BenchError):
    """A function of the stack cannot run at all."""


class ApiError(BenchError):
    """The pipeline's API gave an answer that it must not give."""


class ApiUnansweredError(ApiError):
    """No answer came that says what became of a request: connection lost, too late, or a 5xx."""


class ApiThrottledError(ApiError):
    """A request was turned away with 429: nothing of it was taken, it may be sent again."""


class ResultError(BenchError):
    """A result file cannot be read, or is not one that this bench can use."""


class PolicyError(BenchError):
    """A policy holds what the bench's own IAM does not evaluate."""


class PriceError(BenchError):
    """The price table cannot be read."""


class CapacityError(BenchError):
    """The capacity model's own tables cannot be read, or it was asked for what it does not have."""


class FuzzError(BenchError):
    """The fuzzer itself failed, so that nothing is known of the API."""


class WorkersError(BenchError):
    """Workers that are to send cannot be reached, are not fit for it, or did not do it."""
