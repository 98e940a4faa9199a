"""The client side: small calls, and answers of any size read in constant memory.

    client = Client(soap.contract.load("JobProvenanceIS"), "https://jpis.example.org:8902/", session)
    for job in client.stream("QueryJobs", child="jobs", conditions=[...], attributes=[...]): ...

The session comes from `httpg.client.session` and carries the credential. Both ways use the codec of the
contract, so what comes back are its exact records; `zeep_client` gives a zeep client over the same contract and
session to those who want an independent one.
"""

import http.client
import ssl
from collections.abc import Iterator
from typing import Any

import requests
from lxml import etree

from guarded import xml
from soap import faultreader
from soap.contract import Contract, Operation
from soap.envelope import SOAP, Writer
from soap.schema import Member

_BODY = f"{{{SOAP}}}Body"
_FAULT = f"{{{SOAP}}}Fault"
_HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', "Accept": "text/xml"}

PIECE = 64 * 1024
"""Bytes read from the connection at a time."""


class TransportError(Exception):
    """No answer, or none that is SOAP: connection, TLS, HTTP or XML trouble. `transient` tells whether to retry.

    broken_off: the server was reached and ended the connection, as servers do that refuse a certificate.
    """

    def __init__(self, text: str, *, transient: bool = False, broken_off: bool = False) -> None:
        super().__init__(text)
        self.transient = transient
        self.broken_off = broken_off


class Client:
    """Calls the operations of one port of a service at `url`.

    Every call raises the faults of `soap.faults` as they come, and TransportError. Thread safety is that of the
    session.
    """

    def __init__(self, contract: Contract, url: str, session: requests.Session, *, port: str | None = None) -> None:
        self.contract = contract
        self.url = url
        self._session = session
        self._operations = contract.port(port).operations
        self._writers: dict[str, Writer] = {}

    def call(self, operation: str, /, **arguments: Any) -> Any:
        """Call an operation with its children by keyword; the record of the response."""
        known = self._operation(operation)
        with self._post(known, arguments) as response:
            wrapper = self._response(known, response)
            return self._decoded(known.output.type_name, wrapper)

    def stream(self, operation: str, /, child: str, **arguments: Any) -> Iterator[Any]:
        """Call an operation and yield the values of one repeated child of the response, one by one.

        The other children are skipped. Nothing is sent before the first value is asked for. When the answer breaks
        off, TransportError is raised after the values that came.
        """
        known = self._operation(operation)
        member = known.output.member(child)
        with self._post(known, arguments) as response:
            if response.status_code == 200:
                yield from self._pull(known, member, response)
            else:
                self._response(known, response)

    def _operation(self, name: str) -> Operation:
        try:
            return self._operations[name]
        except KeyError:
            raise ValueError(f"{self.contract.name} has no operation {name!r}") from None

    def _post(self, operation: Operation, arguments: dict[str, Any]) -> requests.Response:
        writer = self._writers.get(operation.name)
        if writer is None:
            writer = self._writers[operation.name] = Writer(self.contract, operation.input)
        body = b"".join(writer.chunks(arguments))
        try:
            return self._session.post(self.url, data=body, headers=_HEADERS, stream=True)
        except requests.RequestException as error:
            raise transport_error(self.url, error) from error

    def _response(self, operation: Operation, response: requests.Response) -> etree._Element:
        """The wrapper element of an answer read as a whole. Raises the fault when it is one."""
        if response.status_code not in (200, 500):
            raise _unexpected(self.url, response)
        try:
            content = response.content
            root = xml.parse(content, limit=len(content))
        except requests.RequestException as error:
            raise transport_error(self.url, error) from error
        except xml.XmlRefused as error:
            raise _unexpected(self.url, response) from error
        return self._check(operation, root.find(f"{_BODY}/*"))

    def _pull(self, operation: Operation, member: Member, response: requests.Response) -> Iterator[Any]:
        decode = self.contract.member_decoder(operation.output.type_name, member)
        for element in self._children(operation, response):
            if element.tag == member.tag:
                try:
                    value = decode(element)
                except ValueError as error:
                    raise TransportError(f"{self.url} answered a bad {member.name}: {error}") from error
                yield value

    def _children(self, operation: Operation, response: requests.Response) -> Iterator[etree._Element]:
        """The children of the response, each when it is complete; dropped when the next ones are asked for."""
        tree = xml.GrowingTree()
        for piece in self._pieces(response):
            self._grow(tree, piece)
            wrapper = _content(tree)
            if wrapper is not None and wrapper.tag == operation.output.wrapper:
                whole = list(wrapper) if piece is None else list(wrapper)[:-1]
                yield from whole
                del wrapper[: len(whole)]
        self._check(operation, _content(tree))

    def _pieces(self, response: requests.Response) -> Iterator[bytes | None]:
        """The body as it comes, then None."""
        try:
            yield from response.iter_content(PIECE)
        except requests.RequestException as error:
            raise transport_error(self.url, error) from error
        yield None

    def _grow(self, tree: xml.GrowingTree, piece: bytes | None) -> None:
        try:
            if piece is None:
                tree.close()
            else:
                tree.feed(piece)
        except xml.XmlRefused as error:
            raise TransportError(f"the answer of {self.url} cannot be read: {error}") from error

    def _check(self, operation: Operation, first: etree._Element | None) -> etree._Element:
        """The wrapper of the response. Raises the fault when it is one."""
        if first is not None and first.tag == _FAULT:
            raise faultreader.fault(self.contract, first)
        if first is None or first.tag != operation.output.wrapper:
            raise TransportError(f"{self.url} answered something else than {operation.name}Response")
        return first

    def _decoded(self, type_name: str, element: etree._Element) -> Any:
        try:
            return self.contract.decoder(type_name)(element)
        except ValueError as error:
            raise TransportError(f"the answer of {self.url} cannot be read: {error}") from error


def _content(tree: xml.GrowingTree) -> etree._Element | None:
    """What the SOAP body holds, as far as it has come."""
    return None if tree.root is None else tree.root.find(f"{_BODY}/*")


def transport_error(url: str, error: requests.RequestException) -> TransportError:
    """What the error comes to, in the words of the socket or of TLS, without those of the libraries in between."""
    lost = isinstance(error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError))
    transient = lost and not isinstance(error, requests.exceptions.SSLError)
    root = _root(error)
    return TransportError(f"no answer from {url}: {_words(root)}", transient=transient, broken_off=_broken_off(root))


def _root(error: BaseException) -> BaseException:
    """What the libraries have wrapped, often several times: the error of the socket or of TLS."""
    seen: set[int] = set()
    while id(error) not in seen and not isinstance(error, ssl.SSLError):  # what is below that one is gsi's
        seen.add(id(error))
        candidates = (getattr(error, "reason", None), *reversed(error.args), error.__cause__)
        error = next((each for each in candidates if isinstance(each, BaseException)), error)
    return error


def _broken_off(root: BaseException) -> bool:
    if isinstance(root, ssl.SSLError):
        return not isinstance(root, ssl.SSLCertVerificationError) and root.reason != "WRONG_VERSION_NUMBER"
    return isinstance(root, (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected))


def _words(root: BaseException) -> str:
    match root:
        case ssl.SSLCertVerificationError(verify_message=str(reason)):
            return f"the certificate of the server is not accepted: {reason}"
        case ssl.SSLCertVerificationError():  # ours, about what OpenSSL lets pass (gsi.context)
            return str(root.args[0])
        case ssl.SSLEOFError() | ConnectionResetError() | BrokenPipeError() | http.client.RemoteDisconnected():
            return "the server closed the connection"
        case ssl.SSLError(reason=str(reason)):
            return f"TLS failed: {reason.lower().replace('_', ' ')}"
        case TimeoutError():
            return "time is up"
        case http.client.HTTPException():
            return "it answered something that is not HTTP"
        case OSError(strerror=str(text)):
            return text
    return str(root)


def _unexpected(url: str, response: requests.Response) -> TransportError:
    transient = response.status_code in (502, 503, 504)
    return TransportError(f"{url} answered HTTP {response.status_code}, not SOAP", transient=transient)


def zeep_client(contract: Contract, url: str, session: requests.Session, *, port: str | None = None) -> Any:
    """A zeep service proxy for a port of the contract, from the WSDL in wsdl/, talking to `url` over `session`."""
    import zeep
    import zeep.proxy
    from zeep.transports import Transport

    import wsdl

    make_transport: Any = Transport
    make_client: Any = zeep.Client
    make_proxy: Any = zeep.proxy.ServiceProxy
    client = make_client(str(wsdl.path(contract.file.name)), transport=make_transport(session=session))
    service = client.wsdl.services[contract.file.service]
    return make_proxy(client, service.ports[contract.port(port).name].binding, address=url)
