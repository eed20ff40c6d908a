"""One abstract test class for each kind of plugin. A plugin's own test subclasses it and names the plugin."""

from mistralrs.testing.conformance.architecture import ArchitectureConformance
from mistralrs.testing.conformance.base import PluginConformance
from mistralrs.testing.conformance.format import FormatConformance
from mistralrs.testing.conformance.frontend import FrontendConformance
from mistralrs.testing.conformance.kernels import KernelsConformance
from mistralrs.testing.conformance.observer import ObserverConformance
from mistralrs.testing.conformance.quantization import QuantizationConformance
from mistralrs.testing.conformance.source import SourceConformance
from mistralrs.testing.conformance.tokenizer import TokenizerConformance

__all__ = [
    "ArchitectureConformance",
    "FormatConformance",
    "FrontendConformance",
    "KernelsConformance",
    "ObserverConformance",
    "PluginConformance",
    "QuantizationConformance",
    "SourceConformance",
    "TokenizerConformance",
]
