from mistralrs.testing.conformance import QuantizationConformance


class TestAbsmax(QuantizationConformance):
    plugin = "quantization/absmax8"
    error = 0.01
