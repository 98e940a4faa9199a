"""What an event line means and which job state follows from it: pure functions and data.

No sockets, no database, no files, no clock; the only outside input is entropy for a new job id. What comes from outside
is understood or refused with a ``ModelError``.

===============  ===================================================================================================
module           what it knows
===============  ===================================================================================================
``errors``       the root of all errors: code, field, position
``frozen``       values that do not change
``atoi``         numbers as C has and reads them
``times``        moments and their texts
``jobid``        job ids, subjob ids, notification ids
``people``       when two subject names are one person

``vocabulary``   names with numbers that all events share: sources, levels, flags
``since``        since which line of the original there is what, and how that is known
``catalogue``    what the tables of events are made of: kinds of values, fields, types
``families``     the tables themselves, one module per family
``events``       all event types by name, and the ``Event``
``seqcode``      sequence codes: forms, order, increments

``status``       the attributes of a job status in one table, and the typed ``Status``
``jobstate``     status and bookkeeping of a job under computation, and how they are stored
``machine``      event + state -> state; its text states the rules
``rules``        the rules as tables, one module per kind of job; what a store lets in
``acl``          who may read a job or set its tags: the access list, its changes and its two forms
``connections``  jobs that are connected to each other, and how both ends follow
``view``         what of a status a query shows
``ledger``       all jobs of one server in memory: events in, statuses and histories out
``corrections``  where we do not do as the original did, on purpose

``ulm``          event <-> line
``ulmlines``     notification and command lines, what a logger puts in front of a line
``eventforms``   what other forms of events and statuses have in common
``eventjson``    event <-> JSON; the history of a job
``nativexml``    texts, numbers and moments in native XML, the door for its documents
``eventxml``     event <-> native XML
``native``       status <-> native XML, and the object that XML and JSON show
``ws``           status and event -> records of the web service
``wsread``       records of the web service -> status and event

``wsdl``         ``wsdl/LBTypes.wsdl`` and ``wsdl/LB.wsdl`` from the tables; as a program it writes both files
``wsdl_tables``  what of the two follows from no other table
``diagrams``     the rules as state diagrams
``dot``          state diagrams -> Graphviz
===============  ===================================================================================================

What is computed, and how far it was compared with the original (1,321 sequences, ``tests/unit/lb/test_oracle.py``):

* All kinds of jobs, parents, access lists, connections, refusals: every reply, every state and every attribute of all
  recorded sequences is the same, but for what ``corrections`` lists.
* PARTITIONED counts as DAG, PARTITIONABLE as SIMPLE.
* Who may store what: ``rules.store``, which ``ledger`` follows in memory and the server over its tables.
* Not computed: the attributes that the table calls never set.
"""
