"""The contracts: one WSDL per service, the single source of truth for every SOAP byte."""
