bl_unit_test(test_charset LINK bl_charset)
