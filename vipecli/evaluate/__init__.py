"""Protocols over labelled sets: rows of figures, and the settings that produced them."""
