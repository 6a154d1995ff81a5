from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from generator import bundles, dependencies
from generator.bundles import BUNDLES, BuiltBundles, build_bundles
from generator.environment import Environment
from generator.errors import BundleError
from generator.pipelines import PIPELINES
from generator.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PIPELINE = "market-analytics"
PROJECT_PACKAGES = {"file_processing", "market_analytics", "operations", "services", "tickstream"}
DECODERS = {("market-analytics", "DataProcessor"), ("file-processing", "DataProcessor")}
INDEXERS = {("market-analytics", "DataIndexer"), ("market-analytics", "DataProcessor")}
READERS = DECODERS | INDEXERS | {("market-analytics", "DataIngestion"), ("file-processing", "FileValidator")}
PACKERS = {("market-analytics", name) for name in ("DataAggregator", "DataRevision", "DataQuery")}
FEEDS_NEED = ("backports_zstd", "ijson", "msgspec", "tzdata")
NEEDED = {"polars": DECODERS, "indexed_gzip": INDEXERS, **dict.fromkeys(FEEDS_NEED, READERS)}
NEEDED |= {"msgspec": READERS | PACKERS, "tzdata": READERS | {("market-analytics", "DataQuery")}}


def wheel(
    folder: Path, name: str, version: str, *, tag: str = "py3-none-any", text: str = "", needs: str | None = None
) -> None:
    """Write a small real wheel, so that real pip installs it without an index."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": text,
        f"{name}/tests/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content.encode())}\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(path, content)


def make_wheels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of wheels that pip looks into instead of an index, and the versions to use."""
    folder.mkdir()
    wheel(folder, "aws_lambda_powertools", "1.0")
    wheel(folder, "polars", "1.0")
    wheel(folder, "indexed_gzip", "1.0")
    for name in FEEDS_NEED:
        wheel(folder, name, "1.0")
    (folder / "constraints.txt").write_text(
        "aws-lambda-powertools==1.0\npolars==1.0\nbackports.zstd==1.0\nijson==1.0\nmsgspec==1.0\ntzdata==1.0\n"
        "indexed-gzip==1.0\nmypy==1.0 # not bundled\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(scope="module", autouse=True)
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Bundle a copy of the sources, so that saving a file while the tests run changes no result."""
    copy = tmp_path_factory.mktemp("sources")
    for package in sorted(PROJECT_PACKAGES):
        shutil.copytree(bundles._package_directory(package), copy / package)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(bundles, "_package_directory", copy.joinpath)
        yield copy


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of wheels, for this test to change."""
    return make_wheels(tmp_path / "wheels", monkeypatch)


@pytest.fixture(scope="module", params=sorted(BUNDLES))
def pipeline(request: pytest.FixtureRequest) -> str:
    """Return each pipeline's name in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def built(pipeline: str, sources: Path, installed: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltBundles:
    """Build a pipeline's bundles once, for the tests that only read them."""
    where = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as monkeypatch:
        return build(make_wheels(where / "wheels", monkeypatch), where, pipeline=pipeline, cache=installed)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache of installed dependencies, for the tests that are not about how pip fills it."""
    return tmp_path_factory.mktemp("installed")


def build(
    wheels: Path, where: Path, architecture: str = "arm64", *, pipeline: str = PIPELINE, cache: Path | None = None
) -> BuiltBundles:
    """Build a pipeline's bundles below `where`, by default with a cache of its own."""
    out, cache = where / "bundles", cache or where / "cache"
    return build_bundles(pipeline, architecture, out, cache=cache, constraints=wheels / "constraints.txt")


def test_bundles_of_other_sources(sources: Path, wheels: Path, installed: Path, tmp_path: Path) -> None:
    """A folder of sources may be given: what is changed there, and nothing of the checkout, is what is bundled."""
    copy = tmp_path / "functions"
    shutil.copytree(sources, copy)
    (copy / "tickstream" / "keys.py").write_text("CHANGED = True\n")
    where, constraints = tmp_path / "built", wheels / "constraints.txt"
    built = build_bundles(PIPELINE, "arm64", where, cache=installed, constraints=constraints, sources=copy)
    with zipfile.ZipFile(built.files["DataQuery.zip"]) as archive:
        assert archive.read("tickstream/keys.py") == b"CHANGED = True\n"
    assert built.prefix != build(wheels, where, cache=installed).prefix


def test_two_builds_are_the_same_bytes(pipeline: str, built: BuiltBundles, wheels: Path, tmp_path: Path) -> None:
    """From nothing, in two places, with other times and permissions, every zip is the same."""
    first = built
    mask = os.umask(0o077)
    try:
        second = build(wheels, tmp_path / "second", pipeline=pipeline)
    finally:
        os.umask(mask)
    assert first.prefix == second.prefix
    assert first.files.keys() == {f"{bundle.name}.zip" for bundle in BUNDLES[pipeline]}
    for name, path in first.files.items():
        assert path.read_bytes() == second.files[name].read_bytes(), name
    for path in first.files.values():
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
        assert len({entry.filename for entry in entries}) == len(entries)


def test_a_bundle_holds_its_own_code_only(pipeline: str, built: BuiltBundles) -> None:
    """No function carries another's code or dependencies, nor tests, nor the record of the installation."""
    for bundle in BUNDLES[pipeline]:
        with zipfile.ZipFile(built.files[f"{bundle.name}.zip"]) as archive:
            names = archive.namelist()
        top = {name.split("/")[0] for name in names}
        needed = {name for name, users in NEEDED.items() if (pipeline, bundle.name) in users} | {
            "aws_lambda_powertools"
        }
        expected = {name + end for name in needed for end in ("", "-1.0.dist-info")}
        expected |= {bundle.package, "tickstream", "services"}
        if bundle.name == "DataQuery":
            assert "tickstream/sessions/exchanges.json" in names
        assert top == expected, bundle.name
        own = {Path(name).stem for name in names if name.startswith(f"{bundle.package}/")}
        assert all(stem == "__init__" or stem.startswith(bundle.modules) for stem in own)
        assert not [name for name in names if "/tests/" in name or name.endswith(("RECORD", ".pyc"))]


def test_a_bundle_holds_whatever_it_imports(built: BuiltBundles) -> None:
    """Each project module that a bundled module imports is in the same bundle."""
    for name, path in built.files.items():
        sources = project_sources(path)
        for file, source in sources.items():
            for module in imports(source) if file.endswith(".py") else ():
                if module.split(".")[0] in PROJECT_PACKAGES:
                    assert source_of(module, sources), f"{name}: {file} imports {module}"


def test_a_function_needs_no_more_than_its_dependencies(pipeline: str, built: BuiltBundles) -> None:
    """What a handler imports, near or far, comes with Python, with Lambda's runtime or in its bundle, and is used."""
    for bundle in BUNDLES[pipeline]:
        sources = project_sources(built.files[f"{bundle.name}.zip"])
        outside: set[str] = set()
        todo, seen = [f"{bundle.package}.{bundle.modules[0]}"], set[str]()
        while todo:
            module = todo.pop()
            file = source_of(module, sources)
            if file is None or file in seen:
                outside |= set() if file else {module.split(".")[0]}
                continue
            seen.add(file)
            todo += imports(sources[file])
        needed = outside - sys.stdlib_module_names - {"boto3", "botocore"}
        # Python's own zoneinfo finds tzdata by itself.
        imported = {name.replace("-", "_").split(".")[0] for name in bundle.dependencies if name != "tzdata"}
        assert needed == imported, f"{pipeline}: {bundle.name}"


def project_sources(path: Path) -> dict[str, bytes]:
    """Return the project's own files of a bundle."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.split("/")[0] in PROJECT_PACKAGES}


def source_of(module: str, sources: Mapping[str, bytes]) -> str | None:
    """Return the file of a project module, None where it has none."""
    stem = module.replace(".", "/")
    return next((file for file in (f"{stem}.py", f"{stem}/__init__.py") if file in sources), None)


@cache
def imports(source: bytes) -> frozenset[str]:
    """Return the modules that a source imports when it runs (not those for type checkers).

    `from package import name` may mean a module of the package, so that both are returned: `package.name` too.
    """
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module in PROJECT_PACKAGES}
        todo += ast.iter_child_nodes(node)
    return frozenset(found)


def test_the_template_finds_every_bundle(pipeline: str, built: BuiltBundles) -> None:
    """For each function of the template there is a zip of that name, and in it the handler."""
    template = json.loads(render(PIPELINES[pipeline](Environment("dev"))))
    resources = template["Resources"].values()
    functions = [one["Properties"] for one in resources if one["Type"] == "AWS::Lambda::Function"]
    wanted = {
        json.loads(json.dumps(one["Code"]["S3Key"]))["Fn::Sub"].split("/")[1]: one["Handler"] for one in functions
    }
    assert wanted.keys() == built.files.keys()
    for name, handler in wanted.items():
        module, _, function = handler.rpartition(".")
        with zipfile.ZipFile(built.files[name]) as archive:
            source = ast.parse(archive.read(f"{module.replace('.', '/')}.py"))
        assert function in {node.name for node in source.body if isinstance(node, ast.FunctionDef)}


def test_the_prefix_follows_the_code(sources: Path, wheels: Path, installed: Path, tmp_path: Path) -> None:
    """A changed line of one function is another prefix, and changed back it is the first one again."""
    first = build(wheels, tmp_path, cache=installed)
    handler = sources / "market_analytics" / "data_query.py"
    before = handler.read_bytes()
    handler.write_bytes(before + b"\n# changed\n")
    changed = build(wheels, tmp_path, cache=installed)
    handler.write_bytes(before)
    assert changed.prefix != first.prefix
    assert changed.files["DataQuery.zip"].read_bytes() != first.files["DataQuery.zip"].read_bytes()
    assert changed.files["DataIngestion.zip"].read_bytes() == first.files["DataIngestion.zip"].read_bytes()
    assert build(wheels, tmp_path, cache=installed) == first


def test_the_prefix_follows_the_dependencies(wheels: Path, installed: Path, tmp_path: Path) -> None:
    """Another version in the bundle is another prefix; another version of a tool is not."""
    constraints = wheels / "constraints.txt"
    first = build(wheels, tmp_path, cache=installed)
    constraints.write_text(constraints.read_text().replace("mypy==1.0", "mypy==2.0"))
    assert build(wheels, tmp_path, cache=installed).prefix == first.prefix
    wheel(wheels, "polars", "1.1", text="VERSION = 2\n")
    constraints.write_text(constraints.read_text().replace("polars==1.0", "polars==1.1"))
    assert build(wheels, tmp_path, cache=installed).prefix != first.prefix


def test_a_second_build_touches_nothing(
    wheels: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is built is found again, without pip and without writing a file."""
    first = build(wheels, tmp_path, cache=installed)
    times = {path: path.stat().st_mtime_ns for path in [*tmp_path.rglob("*.zip"), *installed.rglob("*.zip")]}
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip was asked again"))
    assert build(wheels, tmp_path, cache=installed) == first
    assert {path: path.stat().st_mtime_ns for path in [*tmp_path.rglob("*.zip"), *installed.rglob("*.zip")]} == times


def test_concurrent_builds_agree(wheels: Path, tmp_path: Path) -> None:
    """Two builds at once into one directory both succeed, and leave nothing half done."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build(wheels, tmp_path / "both"), range(2))
    assert first == second
    with_their_cache = tmp_path / "both" / "cache"
    alone = build_bundles(
        PIPELINE, "arm64", tmp_path / "alone", cache=with_their_cache, constraints=wheels / "constraints.txt"
    )
    assert first.prefix == alone.prefix
    for path in first.files.values():
        assert zipfile.ZipFile(path).testzip() is None
    assert not list(tmp_path.rglob(".building-*"))
    assert not list(tmp_path.rglob(".installing-*"))


def test_wheels_are_for_the_functions_processor(wheels: Path, tmp_path: Path) -> None:
    """A wheel for x86_64 goes into an x86_64 bundle on any machine, and never into an arm64 one."""
    (wheels / "polars-1.0-py3-none-any.whl").unlink()
    wheel(wheels, "polars", "1.0", tag="cp313-cp313-manylinux_2_28_x86_64")
    assert build(wheels, tmp_path / "x86_64", "x86_64").files
    with pytest.raises(BundleError, match=r"pip cannot install .*polars.* for arm64: Cannot install polars"):
        build(wheels, tmp_path / "arm64", "arm64")


def test_an_unreachable_index_is_one_line(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without network the message says so, in one line, and leaves nothing in the cache."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(BundleError, match="is the package index reachable") as caught:
        build(wheels, tmp_path / "new")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "new").rglob("*.zip"))


def test_a_bundle_too_large_for_lambda_is_refused(
    wheels: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the bundle, its size and the limit; nothing is left that looks built."""
    monkeypatch.setattr(bundles, "UNPACKED_LIMIT_BYTES", 1000)
    with pytest.raises(BundleError, match=r"\.zip unpacks to [\d,]+ bytes, Lambda's limit is 1,000"):
        build(wheels, tmp_path, cache=installed)
    assert not list((tmp_path / "bundles").iterdir())


def test_an_unpinned_dependency_is_refused(wheels: Path, tmp_path: Path) -> None:
    """Without a pinned version two builds could differ."""
    (wheels / "constraints.txt").write_text("polars==1.0\n")
    with pytest.raises(BundleError, match="does not pin aws-lambda-powertools"):
        build(wheels, tmp_path)


def test_pips_settings_change_no_bundle(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user has pip do otherwise, a bundle holds the requirements and what these need.

    All at once: one that came through would leave the bundle without what it needs, whatever becomes of the others.
    """
    monkeypatch.chdir(tmp_path)
    wheel(wheels, "aws_lambda_powertools", "1.0", needs="jmespath>=1")
    wheel(wheels, "jmespath", "1.2", text="FOUND = True\n")
    for variable in ("PIP_NO_DEPS=1", "PIP_DRY_RUN=1", "PIP_ROOT=elsewhere", "PIP_USER=1"):
        monkeypatch.setenv(*variable.split("="))
    built = build(wheels, tmp_path)
    for path in built.files.values():
        with zipfile.ZipFile(path) as archive:
            assert archive.read("jmespath/__init__.py") == b"FOUND = True\n"
    assert not (tmp_path / "elsewhere").exists()


def test_a_broken_configuration_of_pips_is_one_line(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that pip cannot read is named, in one line."""
    (tmp_path / "pip.conf").write_text("no section\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(BundleError, match=r"pip's own configuration cannot be read: .*pip\.conf") as caught:
        build(wheels, tmp_path)
    assert "\n" not in str(caught.value)


def test_what_pip_left_out_is_not_kept(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip that reports success and has installed no dependencies: refused by name; the next run begins anew."""
    wheel(wheels, "aws_lambda_powertools", "1.0", needs="jmespath>=1")
    wheel(wheels, "jmespath", "1.2")
    run = subprocess.run
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", lambda command, **named: run([*command, "--no-deps"], **named))
        patch.setattr(dependencies, "pip_environment", lambda *_: os.environ)
        with pytest.raises(BundleError, match=r"what it installed for arm64 lacks jmespath>=1"):
            build(wheels, tmp_path)
    assert not list(tmp_path.rglob("*.zip"))
    assert build(wheels, tmp_path).files


@pytest.mark.parametrize(
    "arguments", [["--architecture", "arm"], ["--pipeline", "nothing"], ["--output", "x"], ["--out", "/dev/null/x"]]
)
def test_mistakes_are_one_line(arguments: list[str], wheels: Path, tmp_path: Path) -> None:
    """A usage error exits with 2 and one line, without a traceback."""
    (tmp_path / "constraints.txt").write_text((wheels / "constraints.txt").read_text())
    command = [sys.executable, "-m", "generator.bundles", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
