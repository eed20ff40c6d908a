"""The models of one server: each with an engine's process of its own, loaded when it is asked for."""
