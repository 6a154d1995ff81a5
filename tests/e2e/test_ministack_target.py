"""MiniStack, which the bench starts itself: python3 start.py ministack has it, other environments have not."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from bench.errors import TargetError
from bench.stack import deployment
from bench.targets import Kind, TargetChoice, open_target
from bench.targets.ministack import installed_version
from generator.pipelines import PIPELINES

try:
    installed_version()
except TargetError as error:
    pytest.skip(str(error), allow_module_level=True)


def test_both_pipelines_deploy_and_all_that_it_cannot_do_is_said_before() -> None:
    """It answers on loopback alone, makes both stacks, and nothing of it is left."""
    with open_target(TargetChoice(Kind.MINISTACK)) as target:
        folder, address = target.scratch_dir, urlsplit(target.endpoint_url or "")
        assert address.hostname == "127.0.0.1"
        with socket.socket() as other:
            # Every address of 127/8 is this machine's: it is bound to one of them.
            assert other.connect_ex(("127.0.0.2", address.port or 0)) != 0
        for pipeline in PIPELINES:
            said: list[str] = []
            template = deployment.generate("second", pipeline)
            deployment.ask(target, "second", pipeline, template, ticks=1, say=said.append)
            assert any(line.startswith("deviation number parameters") for line in said)
            assert any(line.startswith("deviation the range of an object's version") for line in said)
            build = deployment.assemble("second", template, pipeline=pipeline, architecture=target.architecture)
            deployment.create(target, "second", build)
            assert deployment.flat_outputs(target, "second", pipeline)["bucketName"]
            deployment.destroy(target, "second", pipeline)
    assert folder is not None
    assert not folder.exists()
