"""Use cases: one file, one verb. They own their ports and know neither SQL nor gRPC."""
