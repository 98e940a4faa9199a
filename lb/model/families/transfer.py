"""Events of file transfers: codes from 401 (lb.md 2.4.5)."""

from lb.model.catalogue import choice, event, family, text

TRANSFER = family(
    "Transfer",
    400,
    "2.1",
    event(
        "FileTransferRegister",
        "Where one transfer goes from and to.",
        text("src", "address of the source"),
        text("dest", "address of the target"),
    ),
    event(
        "FileTransfer",
        "A transfer began or ended.",
        choice("result", "outcome", "START OK FAIL"),
        text("reason", "why, in words", opt=True),
    ),
    event(
        "Sandbox",
        "Ties a computing job and the transfer of its sandbox.",
        choice("sandbox_type", "which sandbox", "INPUT OUTPUT"),
        text("transfer_job", "the job that transfers", opt=True),
        text("compute_job", "the job that computes", opt=True),
    ),
)
