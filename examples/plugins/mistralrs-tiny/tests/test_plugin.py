from mistralrs.testing.conformance import ArchitectureConformance


class TestTiny(ArchitectureConformance):
    plugin = "architecture/tiny"
