"""Computing elements: the contract between the workload manager and a batch system, and one module per batch system."""

from wms.ce.base import Adapter, CeError, CeJob, CeState, Report

__all__ = ["Adapter", "CeError", "CeJob", "CeState", "Report"]
