bl_unit_test(test_regex LINK bl_regex)
