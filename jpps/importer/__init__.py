"""glite-jp-importer: carries registrations, LB dumps and sandboxes from maildirs to a Primary Storage (jp.md 4).

    messages   what stands in a message
    primary    one Primary Storage, as its client sees it
    tasks      what is done with a message
    queues     taking messages, again and again, until they are done or given up
    main       the command
"""
