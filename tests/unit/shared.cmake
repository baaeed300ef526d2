# The base of shared/ and the codec.
bl_unit_test(test_err LINK bl_err)
bl_unit_test(test_log LINK bl_log)
bl_unit_test(test_clock LINK bl_clock)
bl_unit_test(test_buf LINK bl_buf)
bl_unit_test(test_topic LINK bl_topic)
bl_unit_test(test_fault LINK bl_fault)
bl_unit_test(test_json LINK bl_json)
bl_unit_test(test_codec_batch LINK bl_codec)
