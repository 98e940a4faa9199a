"""The SOAP binding: WSDL and XSD become models, codec and dispatcher."""
