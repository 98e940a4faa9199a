"""Events of virtual machines: codes from 501 (lb.md 2.4.6)."""

from lb.model.catalogue import choice, event, family, text

VIRTUAL_MACHINE = family(
    "VirtualMachine",
    500,
    "3.3",
    event(
        "VMCreate",
        "A virtual machine was registered.",
        text("require", "what it requires"),
        text("id", "its identifier"),
        text("name", "its name"),
        text("owner", "its owner"),
        text("hostname", "its host name"),
        text("manager", "who manages it"),
        text("image", "its image", opt=True),
    ),
    event(
        "VMHost",
        "The physical host is known.",
        text("hostname", "the physical host"),
    ),
    event(
        "VMImage",
        "The image is known.",
        text("image", "the image"),
    ),
    event("VMRunning", "The machine runs."),
    event(
        "VMShutdown",
        "The machine shuts down.",
        text("usage", "what it used", opt=True),
    ),
    event("VMStop", "The machine is stopped."),
    event("VMResume", "The machine goes on."),
    event(
        "VMDone",
        "The machine is finished.",
        choice("status_code", "how it ended", "OK DELETE FAILURE"),
        text("usage", "what it used", opt=True),
    ),
)
