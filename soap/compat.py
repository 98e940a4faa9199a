"""Lets spyne 2.14 be imported on Python 3.12 and later; import this module before anything of spyne.

The last release of spyne carries a copy of `six` whose lazy modules (`six.moves`) need `find_module`, which
Python 3.12 removed. The real `six` finds them with `find_spec`, so its modules take the place of the copy's.
(`cgi`, gone since 3.13, comes back with the distribution `legacy-cgi`.)
"""

# ruff: noqa: F401  (the modules are imported to be in sys.modules)

import sys

import six
import six.moves
import six.moves.collections_abc
import six.moves.http_cookies
import six.moves.urllib
import six.moves.urllib.error
import six.moves.urllib.parse
import six.moves.urllib.request

_COPY = "spyne.util."

if sys.version_info >= (3, 12):
    for _name, _module in list(sys.modules.items()):
        if _name == "six.moves" or _name.startswith("six.moves."):
            sys.modules.setdefault(_COPY + _name, _module)
