"""Ways to an analyst: console, signed webhook, mail, and every service that apprise knows."""
