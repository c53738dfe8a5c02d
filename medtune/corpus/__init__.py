"""GAP-Replay: from published raw files to the shards that continued pretraining reads."""
