# Sequences apart from any batch.
bl_unit_test(test_codec_seq LINK bl_codec m)
