"""Settings as small validated sections, one for each owner: flags and configuration files both end up here."""
