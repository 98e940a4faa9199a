"""The plug-ins that a server has loaded."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

from jpps.attributes import namespace
from jpps.errors import NotFound
from jpps.plugins.classad import ClassAdPlugin
from jpps.plugins.interface import Plugin
from jpps.plugins.lb import LbPlugin
from jpps.plugins.sandbox import SandboxPlugin

#: As the original's start-up script (jp.md 2.12).
DEFAULT = ("lb", "sandbox")
#: The original's libraries, by the names that its option -P was given.
_ORIGINAL_NAMES = {
    "glite_lb_plugin.so": "lb",
    "glite-jp-sandbox.so": "sandbox",
    "glite-jp-classad.so": "classad",
}
KNOWN = ("lb", "sandbox", "classad")


class UnknownPlugin(ValueError):
    """No plug-in of that name; the text lists those there are."""


class Registry:
    """Finds plug-ins by type URI, by file class and by namespace."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self._by_class = {name: (plugin, uri) for plugin in plugins for uri, name in plugin.types.items()}

    def file_class(self, uri: str) -> str:
        """Return the short name under which files of type `uri` are stored. Raises NotFound."""
        for plugin in self.plugins:
            if uri in plugin.types:
                return plugin.types[uri]
        raise NotFound("unknown file class", NotFound(uri))

    def of_class(self, name: str) -> tuple[Plugin, str] | None:
        """Return the plug-in and the type URI of a file class."""
        return self._by_class.get(name)

    def knows(self, attribute: str) -> bool:
        """Say whether some plug-in serves the namespace of the attribute."""
        return any(self.of_attribute(attribute))

    def of_attribute(self, attribute: str) -> Iterator[Plugin]:
        """Yield the plug-ins that serve the namespace of the attribute."""
        wanted = namespace(attribute)
        return (plugin for plugin in self.plugins if wanted in plugin.namespaces)


def load(names: Iterable[str] = DEFAULT) -> Registry:
    """Return the registry of the plug-ins named, each once; library paths of the original are understood.

    Raises UnknownPlugin.
    """
    wanted = dict.fromkeys(_canonical(name) for name in names)
    classad = ClassAdPlugin() if "classad" in wanted else None
    made: dict[str, Plugin] = {"lb": LbPlugin(classad), "sandbox": SandboxPlugin()}
    if classad is not None:
        made["classad"] = classad
    return Registry([made[name] for name in wanted])


def _canonical(name: str) -> str:
    short = PurePath(name).name
    short = _ORIGINAL_NAMES.get(short, short)
    if short not in KNOWN:
        raise UnknownPlugin(f"there is no plug-in {name!r}; there are {', '.join(KNOWN)}")
    return short
