"""The data set in a folder, recognised by its layout."""
