bl_unit_test(test_conf LINK bl_conf)
bl_unit_test(test_uplink LINK uplink)
