"""The adapter registry: an OCI image layout and a signed log; nothing is promoted unproven."""
