"""The report as one web page: a single file that needs no network, no server and no other file."""
