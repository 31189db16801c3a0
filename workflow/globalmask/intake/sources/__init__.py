"""Public and clinical data, each brought into a ready case table by a module of its own."""
