"""The contracts: one WSDL per service, the single source of truth for every SOAP byte."""

from importlib import resources
from pathlib import Path


def path(name: str) -> Path:
    """Where the file `name` ("LB.wsdl", "jsdl.xsd") of this folder is; FileNotFoundError when there is none.

    The folder is always a real directory: the package is not zip safe.
    """
    found = Path(str(resources.files(__name__))) / name
    if "/" in name or not found.is_file():
        raise FileNotFoundError(f"no contract named {name!r}; there are: {', '.join(names())}")
    return found


def read(name: str) -> bytes:
    """The bytes of the file `name` of this folder, as they are served to clients."""
    return path(name).read_bytes()


def names() -> list[str]:
    """All files of this folder that a contract consists of, sorted."""
    folder = Path(str(resources.files(__name__)))
    return sorted(each.name for each in folder.iterdir() if each.suffix in (".wsdl", ".xsd"))
