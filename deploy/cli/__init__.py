"""The command `straitwatch`: a module for each group of commands."""
