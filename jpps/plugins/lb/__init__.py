"""Event dumps of LB (jp.md 2.9): the job's status is computed anew from its events, and told attribute by attribute.

    dump        lines → events, and what makes a dump unusable
    digest      events → final status, history of states
    texts       the text forms of lists, tags, times and histories
    attributes  attribute name → values
    plugin      the plug-in
"""

from jpps.plugins.lb.plugin import LbPlugin

__all__ = ["LbPlugin"]
