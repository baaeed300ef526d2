# Several batches in one message: the codec, the agent's sender, the collector's ingest.
bl_unit_test(test_codec_bundle LINK bl_codec)
