"""The information system: which computing elements there are, as GLUE 1.3 ads (wms.md 3.1 to 3.3).

    LDIF text ─ldif─► entries ─glue─► computing elements ─ism─► whoever matches

`GlueFile(path).ces()` answers the computing elements of a file in the form a BDII exports, read again when it changes.
"""

from wms.infosys.glue import ComputingElement, compose
from wms.infosys.ism import GlueFile, InfosysError
from wms.infosys.names import CeId, CeIdError

__all__ = ["CeId", "CeIdError", "ComputingElement", "GlueFile", "InfosysError", "compose"]
