"""Scripts behind the published results. Not part of the installed package."""
