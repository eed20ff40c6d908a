"""The plugins that come with mistralrs, one folder each, grouped by kind."""
