"""The generator's errors.

```
GeneratorError            exit status 2: the user can cure it; the message is one line
├── EnvironmentNameError  an environment name that some AWS service would refuse
├── TagError              a tag that some AWS service would refuse, or that the stack has itself
├── DifferenceError       CloudFormation cannot say what would change
├── BundleError           a function bundle cannot be built
├── StaleTemplatesError   exit status 1: committed templates or descriptions are not what the generator writes
└── StaleTableError       exit status 1: the committed table of sessions is not what the generator makes
```
"""

from __future__ import annotations


class GeneratorError(Exception):
    """Something the user can cure; `str(error)` is one line that says what and how."""

    exit_status = 2


class EnvironmentNameError(GeneratorError):
    """An environment name that some AWS service would refuse; the message names the limit."""


class TagError(GeneratorError):
    """A tag that some AWS service would refuse, or that the stack has itself; the message names it."""


class DifferenceError(GeneratorError):
    """CloudFormation cannot say what would change of a stack; the message says why."""


class BundleError(GeneratorError):
    """A function bundle cannot be built: no source, no dependency, no network, or too large for Lambda."""


class StaleTemplatesError(GeneratorError):
    """The committed templates, or descriptions of the APIs, differ from what the generator writes."""

    exit_status = 1


class StaleTableError(GeneratorError):
    """The committed table of exchanges' sessions differs from what the generator makes."""

    exit_status = 1
