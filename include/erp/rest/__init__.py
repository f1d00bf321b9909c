"""ERPs that are reached by documents over HTTP: REST services, OData among them."""
