"""What an event line means and which job state follows from it: pure functions and data.

No sockets, no database, no files, no clock; the only outside input is entropy for a new job id.

=============  =====================================================================================
module         what it knows
=============  =====================================================================================
``jobid``      job ids, subjob ids, notification ids
``catalogue``  the vocabulary of the tables of events: kinds of values, sources, levels, fields
``families``   the tables themselves, one module per family
``events``     all event types by name, and the ``Event``
``ulm``        event <-> text line
``seqcode``    sequence codes: forms, order, increments
``times``      moments and their texts
``status``     the attributes of a job status in one table, and the typed ``Status``
``jobstate``   status and bookkeeping of a job under computation, and how they are stored
``machine``    event + state -> state; its text states the rules
``rules``      the rules as tables, one module per kind of job
``diagrams``   the rules as state diagrams; ``dot`` writes them for Graphviz
``view``       what of a status a query shows
``native``     the status as native XML and JSON show it
``ws``         status and event as records of the web service
``wsdl``       prints ``wsdl/LBTypes.wsdl`` and ``wsdl/LB.wsdl`` from the tables
=============  =====================================================================================

What is computed, and how far it was compared with the original (1,321 sequences, ``tests/unit/lb/test_oracle.py``):

* SIMPLE, DAG, COLLECTION, CREAM, PBS, FILE_TRANSFER, FILE_TRANSFER_COLLECTION, VIRTUAL_MACHINE: all states and all
  attributes of all recorded sequences, except for the intended differences that the test names. PARTITIONED counts as
  DAG, PARTITIONABLE as SIMPLE.
* CONDOR: by the rules of the facts; the original's answers are no measure here, so nothing was compared.
* Parents: histogram of all, state of collections (``rules.parents``). Who feeds them is the server.
* Not computed: connections between jobs (ConnectJob, DisconnectJob are kept and change nothing), the access list
  (ChangeACL), and the attributes that the table calls never set.
"""
