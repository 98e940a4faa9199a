"""Everything that the WMProxy's port answers, as one WSGI application.

    /glite_wms_wmproxy_server       SOAP: the main port, delegation-1, delegation-2, told apart by namespace
    /.well-known/glite/peer         who the caller is, and what he may do (soap.whoami)
    /<SandboxDir>/...               the jobs' files
"""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from soap import whoami
from soap.contract import load
from soap.service import application, combine
from wms.config import Settings
from wms.sandbox.app import SandboxApplication

from . import delegation, service
from .delegation import DELEGATION_1, DELEGATION_2, Delegation1, Delegation2, Delegations
from .kit import Kit
from .policy import WmProxyPolicy

SERVICE_PATH = "/glite_wms_wmproxy_server"
MAIN = "WMProxy"


def wmproxy_application(settings: Settings) -> WSGIApplication:
    """Make the application; call it in the process that serves it."""
    kit = Kit.of(settings)
    common, limits = settings.common, settings.wmproxy
    soap = _soap(settings, kit)
    sandboxes = SandboxApplication(
        common.sandbox_directory,
        max_input_bytes=limits.max_input_sandbox_bytes,
        max_output_bytes=limits.max_output_sandbox_bytes,
    )
    return _by_path(soap, f"/{common.sandbox_name}/", sandboxes)


def _soap(settings: Settings, kit: Kit) -> WSGIApplication:
    policy = WmProxyPolicy(settings)
    main, first, second = load(MAIN), load(DELEGATION_1), load(DELEGATION_2)
    delegations = Delegations(kit.delegations, kit.job_proxies)
    handler = service.WmProxyService(main, kit)
    address = settings.endpoint
    return combine(
        [
            application(main, handler, policy=policy, address=address, translate=service.translator(main)),
            *(
                application(one, port, policy=policy, address=address, translate=delegation.translator(one))
                for one, port in ((first, Delegation1(first, delegations)), (second, Delegation2(second, delegations)))
            ),
        ]
    )


def _by_path(soap: WSGIApplication, sandbox_prefix: str, sandboxes: WSGIApplication) -> WSGIApplication:
    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(sandbox_prefix):
            return sandboxes(environ, start_response)
        if path in (SERVICE_PATH, whoami.PATH) or path.startswith(f"{SERVICE_PATH}/"):
            return soap(environ, start_response)
        body = b"nothing here; the service is at " + SERVICE_PATH.encode() + b"\n"
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return serve
