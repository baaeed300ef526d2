# The base of shared/ and the codec.
bl_unit_test(test_codec_batch LINK bl_codec)
