# What monitoring plug-ins print, and what becomes of it.
bl_unit_test(test_plugins LINK agent_plugins agent_inlet)
