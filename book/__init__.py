"""Turn chapters into the rendered site."""
