"""Getting bytes from the internet without reaching inside, hanging or filling up."""
