"""The stack under construction: its template, its names, its tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from troposphere import Equals, If, Not, NoValue, Output, Parameter, Ref, Sub, Tags, Template

from generator.blocks import boundary, encryption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from generator.environment import Environment


class Stack:
    """A template that blocks add themselves to.

    Args:
        environment: whose name ends every physical name.
        description: what the stack is, in the template's own words (at most 1,024 bytes).
        tags: put on every resource that can carry tags.
        metrics_namespace: the CloudWatch namespace, without environment, of the stack's own metrics.
        spelling: makes a physical name, without environment, of a logical id.

    """

    def __init__(
        self,
        environment: Environment,
        *,
        description: str,
        tags: Mapping[str, str],
        metrics_namespace: str,
        spelling: Callable[[str], str] = str,
    ) -> None:
        self.environment = environment
        self.metrics_namespace = f"{metrics_namespace}/{environment.name}"
        self.template = Template(Description=description)
        self.template.set_version("2010-09-09")
        self.spell = spelling
        self._tags = dict(tags)
        key = self.optional_text(
            encryption.PARAMETER,
            pattern=encryption.PATTERN,
            text="KMS key of your own for buckets, queues, tables and logs; its policy must let the services use it",
        )
        self.template.add_condition(encryption.CONDITION, Not(Equals(Ref(key), "")))
        previous = self.optional_text(
            encryption.PREVIOUS,
            pattern=encryption.PATTERN_OF_SOME,
            text="KMS keys of before, commas between: objects and messages under them stay readable",
        )
        self.template.add_condition(encryption.WITH_PREVIOUS, Not(Equals(Ref(previous), "")))
        bound = self.optional_text(
            boundary.PARAMETER,
            pattern=boundary.PATTERN,
            text="Permissions boundary of every role, in accounts that ask for one; it must allow what the roles do",
        )
        self.template.add_condition(boundary.CONDITION, Not(Equals(Ref(bound), "")))

    def name(self, title: str) -> str:
        """Return the physical name `NAME-ENV` of a logical id, known before anything is deployed."""
        return f"{self.spell(title)}-{self.environment.name}"

    def arn(self, service: str, resource: str) -> Sub:
        """Return the ARN of a regional resource built from its name.

        Not GetAtt: a role that names a queue, which names its dead-letter queue, which names the queue, is a cycle
        for CloudFormation as soon as one of them is a reference.
        """
        return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")

    def with_own_key(self, value: Any, otherwise: Any = NoValue) -> If:
        """Return a property's value where the stack is given a key of the customer's own, and otherwise."""
        return If(encryption.CONDITION, value, otherwise)

    def own_key(self) -> If:
        """Return the ARN of the customer's own key, and nothing where there is none."""
        return self.with_own_key(Ref(encryption.PARAMETER))

    def permissions_boundary(self) -> If:
        """Return the ARN of the permissions boundary of a role, and nothing where there is none."""
        return If(boundary.CONDITION, Ref(boundary.PARAMETER), NoValue)

    def tags(self) -> Tags:
        """Return the stack's tags for one resource (a new object: troposphere's are mutable)."""
        return Tags(**self._tags)

    def add(self, resource: Any) -> Any:
        """Add a troposphere resource and return it."""
        return self.template.add_resource(resource)

    def number(self, title: str, default: int, *, minimum: int, maximum: int | None = None, text: str) -> Parameter:
        """Add and return a whole-number parameter of the template."""
        bounds = {"MinValue": minimum} | ({} if maximum is None else {"MaxValue": maximum})
        return self.template.add_parameter(Parameter(title, Type="Number", Default=default, Description=text, **bounds))

    def choice(self, title: str, *values: str, text: str) -> Parameter:
        """Add and return a parameter that is one of `values`; the first is the default."""
        return self.template.add_parameter(
            Parameter(title, Type="String", Default=values[0], AllowedValues=list(values), Description=text)
        )

    def text(self, title: str, *, pattern: str, text: str) -> Parameter:
        """Add and return a required text parameter that matches `pattern`."""
        return self.template.add_parameter(Parameter(title, Type="String", AllowedPattern=pattern, Description=text))

    def optional_text(self, title: str, *, pattern: str, text: str) -> Parameter:
        """Add and return a text parameter that matches `pattern` and is empty by default."""
        return self.template.add_parameter(
            Parameter(title, Type="String", Default="", AllowedPattern=pattern, Description=text)
        )

    def output(self, key: str, value: Any, text: str) -> None:
        """Add an output under a key that scripts read."""
        self.template.add_output(Output(key, Value=value, Description=text))


def kebab_case(title: str) -> str:
    """Spell a logical id such as `StatusQuery` in lower case: `status-query`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", title).lower()
