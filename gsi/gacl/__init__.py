"""Access lists in GridSite's XML form (gACL): who may read, execute, list, write and administer.

    <gacl version="0.0.1">
      <entry>
        <person><dn>/DC=org/DC=example/CN=Jo Doe</dn></person>
        <allow><read/><list/></allow>
      </entry>
    </gacl>

An entry holds for whom all its credentials hold. A permission is granted when some entry that holds allows it and no
entry that holds denies it.

| credential | holds for |
|---|---|
| `<any-user/>` | everybody, without certificate too; alone it never allows write or admin (GridSite) |
| `<auth-user/>` | everybody with a verified certificate |
| `<person><dn>` | that DN (gsi.names.same_dn) |
| `<voms><fqan>` | who has shown a matching verified FQAN; a pattern with `*` may stand there (wms.md 1.9) |
| `<voms-cred><vo>`, `<group>` | who has shown an FQAN of that group, with whatever role (lb.md 11.3) |
| `<dn-list><url>` | who is on that list, when the caller of `permits` has it |
| `<dns><hostname>` | who calls from such a host, when the caller of `permits` knows; shell patterns, case ignored |
| `<cred><auri>` | LB's form of the same: `dn:`, `fqan:`, `dns:`, `gacl:any-user`, `gacl:auth-user`, `https:` |

What is not understood or not known never widens rights. A credential of an unknown kind, with unknown or repeated
parts, a host or a list that nobody told us of: such a credential may or may not hold. In what an entry allows it is
taken not to hold, in what it denies it is taken to hold. So `<deny>` for an unknown kind alone denies everybody.
GridSite refuses the whole file instead, which denies no less. An entry without credentials allows nothing and denies
everybody; GridSite takes it for everybody in both. Elements that are no entries make the file unreadable.

Reading and writing keeps the form of each credential and what was not understood; comments are lost.
"""

from gsi.gacl.acl import OWNER_PERMISSIONS, Entry, Gacl, Permission
from gsi.gacl.credential import Circumstances, Credential, GaclError, Kind

__all__ = ["OWNER_PERMISSIONS", "Circumstances", "Credential", "Entry", "Gacl", "GaclError", "Kind", "Permission"]
