# What local people and programs see of the agent.
bl_unit_test(test_current NOMEM LINK agent_local m)
bl_unit_test(test_local_metrics LINK agent_local bl_catalogue m)
bl_unit_test(test_local_server LINK agent_local)
bl_unit_test(test_top LINK agent_local PkgConfig::JANSSON)
