# Samples that stand for several.
bl_unit_test(test_codec_thin LINK bl_codec m)
