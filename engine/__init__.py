"""The engine makes pixels. Importing this package never imports torch."""
