# Time: the clock map against a played truth, former boots.
bl_unit_test(test_clockmap_world LINK agent_core m)
bl_unit_test(test_boots LINK agent_spool)
