bl_unit_test(test_secret LINK agent_probe bl_secret)
