"""What the service needs beside Python packages: fetched by checksum, and the mends made to it."""
