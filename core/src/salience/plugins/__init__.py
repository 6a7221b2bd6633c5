"""Discovery of plugins, and construction of the parts that they bring."""

from salience.plugins.offers import KINDS
from salience.plugins.registry import PluginHost, PluginRecord, host

__all__ = ["KINDS", "PluginHost", "PluginRecord", "host"]
