"""The kernels. Each module is compiled the first time a model needs it and is not imported after that."""
