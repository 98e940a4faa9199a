"""File-type plug-ins: what turns an uploaded file into attributes (jp.md 2.7).

    interface   what a plug-in is
    registry    the plug-ins of a server, by type URI, file class and namespace
    lb          event dumps of LB
    sandbox     tar archives of input sandboxes
    classad     ClassAd texts
"""
