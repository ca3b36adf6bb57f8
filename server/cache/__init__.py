"""Caches: wrappers of the orchestrator's ports. They know no SQL and no gRPC."""
