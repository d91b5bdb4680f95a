"""``dativo plugin new``: a folder with a plugin that works, its tests, a job and a contract. Templates: `skeletons`."""

from __future__ import annotations

import argparse
import keyword
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.cli.plugin_spec import ROLES
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console

SKELETONS = Path(__file__).parent / "skeletons"
SDK = Path(__file__).parents[2] / "rust_plugins" / "dativo-plugin"
SUFFIX = ".tmpl"
LANGUAGES = ("python", "rust")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``new`` takes."""
    parser.add_argument("language", choices=LANGUAGES, help="what it is written in")
    parser.add_argument("name", metavar="NAME", help="what it reads or writes, such as orders")
    parser.add_argument("--kind", choices=ROLES, default=ROLES[0], help="which side of a job it is (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the files go (NAME)")
    parser.add_argument("--sdk", type=Path, metavar="PATH", help="checkout of the crate dativo-plugin, for Rust")


def main(args: argparse.Namespace, console: Console) -> int:
    """Write the folder and say what to do with it."""
    name = _name(args.name, args.kind)
    folder = args.folder or Path(name)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is there and not empty; choose another --folder", "FILE_EXISTS")
    words = {"@name@": name, "@Class@": "".join(word.capitalize() for word in name.split("_"))}
    if args.language == "rust":
        words["@sdk@"] = _sdk(args.sdk).as_posix()
    for path in written(SKELETONS / f"{args.language}_{args.kind}", folder, words):
        console.line(f"wrote {path}")
    if args.language == "rust":
        _keep_versions(Path(words["@sdk@"]), folder)
        console.note("The crate dativo-plugin is not published yet: Cargo.toml names its folder on this machine.")
    _show(args.language, name, args.kind, folder, console)
    return 0


def written(skeleton: Path, folder: Path, words: Mapping[str, str]) -> list[Path]:
    """Write the files of a skeleton, with its words put in place, in paths as well as in texts."""
    made = []
    for template in sorted(skeleton.rglob(f"*{SUFFIX}")):
        relative = str(template.relative_to(skeleton)).removesuffix(SUFFIX)
        path = folder / _filled("." + relative if relative == "gitignore" else relative, words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template.read_text(encoding="utf-8"), words), encoding="utf-8")
        made.append(path)
    return made


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, meant in words.items():
        text = text.replace(word, meant)
    return text


def _name(text: str, kind: str) -> str:
    """Make a name for modules, crates and tables: `Orders`, `orders-reader` and `orders_reader` are ``orders``.

    Raises:
        ConfigurationError: ``BAD_OPTION``, it cannot be one.
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_").removesuffix(f"_{kind}")
    if not name.isidentifier() or keyword.iskeyword(name) or f"{name}_{kind}" in sys.stdlib_module_names:
        message = (
            f"{text!r} cannot name a plugin; take letters, digits and underscores, a letter first, no word of Python"
        )
        raise ConfigurationError(message, "BAD_OPTION")
    return name


def _sdk(said: Path | None) -> Path:
    """Find the crate that a plugin in Rust is built with.

    Raises:
        ConfigurationError: ``SDK_NOT_FOUND``.
    """
    folder = (said or SDK).absolute()
    for place in (folder, folder / "dativo-plugin", folder / "rust_plugins" / "dativo-plugin"):
        if (place / "Cargo.toml").is_file() and place.name == "dativo-plugin":
            return place
    raise ConfigurationError(
        f"there is no crate dativo-plugin at {folder}. It is not published yet: clone the repository of dativo and "
        "name its folder with --sdk",
        "SDK_NOT_FOUND",
    )


def _keep_versions(sdk: Path, folder: Path) -> None:
    """Take the versions that the SDK is tested with; cargo leaves out what the plugin does not need."""
    lock = sdk.parent / "Cargo.lock"
    if lock.is_file():
        shutil.copyfile(lock, folder / "Cargo.lock")


def _show(language: str, name: str, kind: str, folder: Path, console: Console) -> None:
    commands = {f"cd {folder}": "go there"}
    if language == "rust":
        commands |= {"cargo build --release": "build it"}
    commands |= {"pytest": "test it", f"dativo run {name}.yaml": f"run it as the {kind} of a job"}
    width = max(map(len, commands))
    console.line("next:")
    for command, does in commands.items():
        console.line(f"  {command.ljust(width)}  # {does}")
