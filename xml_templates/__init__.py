"""The stylesheets that make every document; data only, a package so that `importlib.resources` finds it everywhere."""
