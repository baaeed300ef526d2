bl_unit_test(test_conf LINK bl_conf)
