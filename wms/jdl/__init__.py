"""The job description language: parse, check, complete, resolve the input sandbox (wms.md 2)."""

from .checks import check, problems
from .complete import add_requirements, apply_client_defaults, apply_service_defaults
from .document import Jdl, parse
from .errors import JdlError, JdlKind
from .sandbox import LocalFile, collect_local_files, resolve_input_sandbox

__all__ = [
    "Jdl",
    "JdlError",
    "JdlKind",
    "LocalFile",
    "add_requirements",
    "apply_client_defaults",
    "apply_service_defaults",
    "check",
    "collect_local_files",
    "parse",
    "problems",
    "resolve_input_sandbox",
]
