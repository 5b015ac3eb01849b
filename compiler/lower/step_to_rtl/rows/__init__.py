"""The weights of a core: rows of tables, as they are or as lists, in one memory."""
