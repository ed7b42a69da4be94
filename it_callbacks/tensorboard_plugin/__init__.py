"""The tab "Information plane" of TensorBoard; it reads the ordinary scalars that monitors log."""
