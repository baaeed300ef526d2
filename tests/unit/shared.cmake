# The base of shared/ and the codec.
bl_unit_test(test_fault LINK bl_fault)
bl_unit_test(test_json LINK bl_json)
bl_unit_test(test_codec_batch LINK bl_codec)
