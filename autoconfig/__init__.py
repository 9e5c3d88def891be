"""The server that mail clients configure themselves from."""
