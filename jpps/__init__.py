"""Job Provenance Primary Storage: keeps the whole track of every job for good.

=============  ======================================================================================
module         what it knows
=============  ======================================================================================
``main``       the command line of glite-jp-primarystoraged; ``server``, ``daemon``: what runs then
``service``    the SOAP operations; ``rights``: who may call them; ``wire``: records and values
``transfer``   PUT, GET and HEAD of files; ``uploads``: the way of a file from start to commit
``storage``    where files lie; ``tags``: the file of a job's tags; ``recording``: how tags get there
``schema``     the tables; ``jobs``, ``files``: their rows
``collect``    all that is known of a job, by attribute; ``plugins``: attributes out of files
``feeds``      subscriptions and the outbox; ``conditions``: which jobs; ``backlog``: what is waiting
``delivery``   what an index server is told and when; ``courier``: the process that does it
``importer``   glite-jp-importer, the client on the LB host
=============  ======================================================================================
"""
