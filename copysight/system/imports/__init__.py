"""Import code when it is needed: commands, and what needs optional packages."""
