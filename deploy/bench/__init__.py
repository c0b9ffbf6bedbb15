"""What is behind `straitwatch bench`."""
