"""How the services are put to work: images, the gateway's and servers' settings, the charter, the embedded mode.

Nothing of the business lives here, and nothing here is imported by a service.
"""
