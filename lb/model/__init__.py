"""What an event line means and which job state follows from it: pure functions and data.

No sockets, no database, no files, no clock; the only outside input is entropy for a new job id.

=============  =====================================================================================
module         what it knows
=============  =====================================================================================
``jobid``      job ids, subjob ids, notification ids
``events``     the catalogue of all event types (tables in ``families``) and the ``Event`` itself
``ulm``        event <-> text line
``seqcode``    sequence codes: forms, order, increments
``status``     the attributes of a job status, one table, and the typed ``Status``
``machine``    event + status -> status
``ws``         status and event as records of the web service
``wsdl``       prints ``wsdl/LBTypes.wsdl`` from the tables
=============  =====================================================================================
"""
