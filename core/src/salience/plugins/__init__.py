"""Finding plugins and making parts by name."""

from salience.plugins.registry import KINDS, PluginHost, PluginRecord, host

__all__ = ["KINDS", "PluginHost", "PluginRecord", "host"]
