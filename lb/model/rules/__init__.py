"""The rules of the state machine; ``lb.model.machine`` tells how they fit together.

==============  ====================================================================================================
module          what it knows
==============  ====================================================================================================
``order``       whether an event is in time
``rows``        what a row of the tables may say, and how it is applied
``branches``    resubmission: which try counts
``glite_rows``  the rows of SIMPLE, DAG and COLLECTION
``glite``       what these do beyond their rows, and after an event in time
``leftovers``   the data that any event of theirs leaves, in time or late
``cream``       CREAM, alone or below the workload manager
``pbs``         PBS
``condor``      Condor
``transfer``    file transfers and collections of them
``virtual``     virtual machines
``tags``        user tags, the same for all
``places``      locations, read from events
``parents``     what the states of subjobs make of their parent
``store``       which events a store accepts
==============  ====================================================================================================
"""
