"""The page that restores photos and measures networks in any browser, and what serves it."""
