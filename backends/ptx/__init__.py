"""PTX: text, cubins, launch plans."""
