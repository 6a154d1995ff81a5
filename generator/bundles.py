"""Function bundles: one zip a function, the same bytes for the same inputs, under a prefix that is their hash.

A bundle holds a function's own modules, the shared library and its dependencies; boto3 comes with Lambda's runtime.
Dependencies are installed once for each architecture, zipped for each set of them, and kept below `build/cache`, so
that a change of a function costs a copy of that zip and not a new one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generator.dependencies import ARCHITECTURES, dependency_zips
from generator.errors import BundleError, GeneratorError
from generator.usage import OneLineParser
from generator.zips import add_file, replace_tree
from tickstream.feeds.catalogue import CONDITIONS, catalogue_of
from tickstream.feeds.documents import FeedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

UNPACKED_LIMIT_BYTES = 250 * 1024 * 1024
"""What Lambda accepts, unpacked, as one function's code."""

SHARED_PACKAGES = ("tickstream", "services")
CACHE = Path("build/cache")

_PREFIX_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Bundle:
    """What goes into one function's zip.

    Attributes:
        name: the function's logical id; the zip is `NAME.zip`.
        package: the package of its handler.
        modules: its own modules of that package are all whose names start with one of these; the first is its handler.
        dependencies: distributions to install, versions from constraints.txt.

    """

    name: str
    package: str
    modules: tuple[str, ...]
    dependencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuiltBundles:
    """Bundles on disk.

    Attributes:
        prefix: hash over all bundles; with it as `CodePrefix`, other code is another template update.
        files: object name below the prefix, such as `DataIngestion.zip`, to path.

    """

    prefix: str
    files: Mapping[str, Path]


_POWERTOOLS = ("aws-lambda-powertools",)
_BARS = (*_POWERTOOLS, "msgspec")
"""What packs bars and unpacks them."""

_FEEDS = ("backports.zstd", "ijson", "msgspec", "tzdata")
"""What reads vendors' files beside polars: of those functions that look into objects."""

_INDEXES = ("indexed-gzip",)
"""What reads packed texts from the middle."""

_SHIPPED = ("*.py", "feeds/builtin/*.json", "feeds/builtin/*/*.csv", "sessions/*.json")
"""What a bundle holds of a shared package."""

_OWN_FEEDS = "tickstream/feeds/own"
_BUCKET_EMPTIER = Bundle("BucketEmptier", "operations", ("bucket_emptier", "bucket_contents"), _POWERTOOLS)

BUNDLES: Mapping[str, tuple[Bundle, ...]] = {
    "market-analytics": (
        Bundle("DataIngestion", "market_analytics", ("data_ingestion",), (*_POWERTOOLS, *_FEEDS)),
        Bundle(
            "DataIndexer",
            "market_analytics",
            # Ranges are queued as DataIngestion does.
            ("data_indexer", "data_ingestion_ranges"),
            (*_POWERTOOLS, *_FEEDS, *_INDEXES),
        ),
        Bundle("DataProcessor", "market_analytics", ("data_processor",), (*_POWERTOOLS, *_FEEDS, *_INDEXES, "polars")),
        Bundle(
            "DataAggregator",
            "market_analytics",
            # What is refused in part is taken back as a whole.
            ("data_aggregator", "data_revision_orders", "hour_reads"),
            _BARS,
        ),
        Bundle(
            "DataRevision",
            "market_analytics",
            # Hours are listed and lanes are named as DataAggregator does, without its handler.
            ("data_revision", "data_aggregator_", "hour_reads"),
            _BARS,
        ),
        Bundle("DataQuery", "market_analytics", ("data_query", "hour_reads"), (*_BARS, "tzdata")),
        _BUCKET_EMPTIER,
    ),
    "file-processing": (
        Bundle("FileValidator", "file_processing", ("file_validator",), (*_POWERTOOLS, *_FEEDS)),
        Bundle("DataProcessor", "file_processing", ("data_processor",), (*_POWERTOOLS, *_FEEDS, "polars")),
        Bundle("ResultAggregator", "file_processing", ("result_aggregator",), _POWERTOOLS),
        Bundle("StatusQuery", "file_processing", ("status_query",), _POWERTOOLS),
        Bundle("DeadLetterRecorder", "operations", ("dead_letter_recorder",), _POWERTOOLS),
        _BUCKET_EMPTIER,
    ),
}
"""The bundles of each pipeline; polars only where ticks are decoded, because it is most of a cold start."""


def build_bundles(
    pipeline: str,
    architecture: str,
    out: Path,
    *,
    cache: Path = CACHE,
    constraints: Path | None = None,
    sources: Path | None = None,
    feeds: Path | None = None,
) -> BuiltBundles:
    """Build the bundles of a pipeline as `OUT/PREFIX/FUNCTION.zip`, or find them built.

    Safe to run at the same time as another: finished directories appear by one rename, and the first one wins.

    Args:
        pipeline: such as `market-analytics`.
        architecture: `arm64` or `x86_64`.
        out: directory that gets one directory a prefix.
        cache: directory for installed dependencies.
        constraints: pip constraints with the versions; by default the constraints.txt beside the package or in the
            current directory.
        sources: folder of the functions' packages; by default that of the checkout, else where they are installed.
        feeds: folder of the user's own feeds, one JSON a feed, which the functions get beside the built-in ones.

    Raises:
        BundleError: a feed is wrong; sources or dependencies are missing, or a bundle is larger than Lambda takes.

    """
    if pipeline not in BUNDLES:
        raise BundleError(f"no pipeline {pipeline!r}; there are {', '.join(sorted(BUNDLES))}")
    if architecture not in ARCHITECTURES:
        raise BundleError(f"no architecture {architecture!r}; there are {', '.join(sorted(ARCHITECTURES))}")
    versions = constraints if constraints is not None else _constraints()
    own_feeds = feed_files(feeds) if feeds is not None else {}
    try:
        sets = {bundle.dependencies for bundle in BUNDLES[pipeline]}
        zips = dependency_zips(sets, architecture, versions, cache.resolve())
        plans = {
            f"{bundle.name}.zip": (
                zips[bundle.dependencies],
                dict(own_files(bundle, sources)) | (own_feeds if "ijson" in bundle.dependencies else {}),
            )
            for bundle in BUNDLES[pipeline]
        }
        prefix = _prefix(plans)
        target = out / prefix
        if not all((target / name).is_file() for name in plans):
            out.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(dir=out, prefix=".building-"))
            try:
                for name, (dependencies, own) in plans.items():
                    _write(work / name, dependencies, own)
                work.chmod(0o755)  # mkdtemp makes it private; bundles are not secret
                replace_tree(work, target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise BundleError(f"cannot build bundles: {error.filename}: {error.strerror}") from error
    return BuiltBundles(prefix=prefix, files={name: target / name for name in plans})


def _constraints() -> Path:
    """Return the constraints file of the checkout."""
    candidates = (Path(__file__).resolve().parents[1] / "constraints.txt", Path("constraints.txt"))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise BundleError("no constraints.txt beside the generator or here; run this in a checkout")


def _package_directory(package: str) -> Path:
    """Return where a package's sources are: beside the generator in a checkout, else where they are installed.

    The checkout first: an editable installation knows only the packages that there were when it was made.
    """
    beside = Path(__file__).resolve().parents[1] / "functions" / package
    if beside.is_dir():
        return beside
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BundleError(f"package {package} is not installed; install the project with: pip install -e .")
    return Path(next(iter(spec.submodule_search_locations)))


def own_files(bundle: Bundle, sources: Path | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the project's own files in a bundle, sorted by name.

    sources: as in `build_bundles`.
    """
    directory_of = _package_directory if sources is None else sources.joinpath
    package = directory_of(bundle.package)
    modules = [path for path in package.glob("*.py") if path.stem.startswith(bundle.modules)]
    handler = package / f"{bundle.modules[0]}.py"
    if handler not in modules:
        raise BundleError(f"{handler} is missing, {bundle.name} has no handler")
    files = {f"{bundle.package}/{path.name}": path for path in (package / "__init__.py", *modules)}
    for shared in SHARED_PACKAGES:
        root = directory_of(shared)
        paths = [path for pattern in _SHIPPED for path in root.rglob(pattern)]
        files |= {f"{shared}/{path.relative_to(root).as_posix()}": path for path in paths}
    for name in sorted(files):
        yield name, files[name].read_bytes()


def feed_files(folder: Path) -> dict[str, bytes]:
    """Return name and content of the user's own feeds in a bundle, each checked. Raises BundleError."""
    try:
        names = [f"{name}.json" for name in sorted(catalogue_of(folder).own)]
        names += [f"{CONDITIONS}/{path.name}" for path in sorted((folder / CONDITIONS).glob("*.csv"))]
        if not names:
            raise BundleError(f"no feeds (NAME.json) in {folder}")
        return {f"{_OWN_FEEDS}/{name}": (folder / name).read_bytes() for name in names}
    except FeedError as error:
        raise BundleError(str(error)) from error


def _prefix(plans: Mapping[str, tuple[Path, Mapping[str, bytes]]]) -> str:
    """Return a hash over what all bundles hold.

    Of the contents, not of the zips: zlib may compress differently elsewhere, and the same code is the same prefix.
    The dependency zip says the hash of its contents in its comment. Its name would not do: it changes with any pin.
    """
    digest = hashlib.sha256()
    for name in sorted(plans):
        dependencies, own = plans[name]
        with zipfile.ZipFile(dependencies) as archive:
            digest.update(f"{name}\0{archive.comment.decode()}\0".encode())
        for path, content in own.items():
            digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return digest.hexdigest()[:_PREFIX_DIGITS]


def _write(path: Path, dependencies: Path, own: Mapping[str, bytes]) -> None:
    """Write one zip: the dependencies' entries as they are, then the project's own."""
    shutil.copyfile(dependencies, path)
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in own.items():
            add_file(archive, name, content)
        unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
    if unpacked_bytes > UNPACKED_LIMIT_BYTES:
        raise BundleError(
            f"{path.name} unpacks to {unpacked_bytes:,} bytes, Lambda's limit is {UNPACKED_LIMIT_BYTES:,}: "
            "give the function fewer dependencies"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Build bundles from the command line; print the prefix, which is the parameter `CodePrefix`."""
    parser = OneLineParser(
        prog="python -m generator.bundles",
        description="Build the function bundles of a pipeline as OUT/PREFIX/FUNCTION.zip and print PREFIX.",
        epilog="example: python -m generator.bundles --architecture arm64 --out build/bundles",
    )
    parser.add_argument("--pipeline", choices=sorted(BUNDLES), default="market-analytics", help="whose functions")
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), default="arm64", help="(default: arm64)")
    parser.add_argument("--out", type=Path, default=Path("build/bundles"), help="(default: build/bundles)")
    parser.add_argument("--feeds", type=Path, metavar="DIR", help="feeds and tables of your own (docs/feeds.md)")
    options = parser.parse_args(arguments)
    try:
        built = build_bundles(options.pipeline, options.architecture, options.out, feeds=options.feeds)
    except GeneratorError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130  # as shells report it; what was half done has been taken away
    print(built.prefix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
