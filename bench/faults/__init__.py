"""Faults that the emulator injects: what a rule says, and the bench's way to order them.

`bench.emulator.faults.injection` carries them out, in LocalStack's request chain: the functions run as they are
deployed.
"""

from bench.faults.injector import FAULTS_PATH, MARKS_PATH, RECEIVES_PATH, FaultInjector
from bench.faults.rules import Action, FaultRule

__all__ = ["FAULTS_PATH", "MARKS_PATH", "RECEIVES_PATH", "Action", "FaultInjector", "FaultRule"]
