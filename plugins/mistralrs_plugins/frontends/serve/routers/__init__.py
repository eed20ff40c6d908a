"""The routes, one module for each interface: see :data:`mistralrs_plugins.frontends.serve.app.ROUTERS`."""
