"""Discovery of plugins, and construction of the parts that they bring."""

from salience.plugins.registry import KINDS, PluginHost, PluginRecord, host

__all__ = ["KINDS", "PluginHost", "PluginRecord", "host"]
