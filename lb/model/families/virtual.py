"""Events of virtual machines: codes from 501 (lb.md 2.4.6)."""

from lb.model.catalogue import choice, family, text

VIRTUAL_MACHINE = family(
    "VirtualMachine",
    500,
    (
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
    (
        "VMHost",
        "The physical host is known.",
        text("hostname", "the physical host"),
    ),
    (
        "VMImage",
        "The image is known.",
        text("image", "the image"),
    ),
    ("VMRunning", "The machine runs."),
    (
        "VMShutdown",
        "The machine shuts down.",
        text("usage", "what it used", opt=True),
    ),
    ("VMStop", "The machine is stopped."),
    ("VMResume", "The machine goes on."),
    (
        "VMDone",
        "The machine is finished.",
        choice("status_code", "how it ended", "OK DELETE FAILURE"),
        text("usage", "what it used", opt=True),
    ),
)
