"""A package, as `infomeasure` installs its own tests under this name and would hide a folder."""
