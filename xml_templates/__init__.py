"""The stylesheets that make every document: a package of data files, found with `importlib.resources`."""
