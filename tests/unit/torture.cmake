# Programs that are broken on purpose, for tests/system/test_torture.py: what a minute of torture must find.
bl_broken(branchline-agent delete-on-puback branchline-agent_delete-on-puback)
bl_broken(branchline-collector dedupe-by-time branchline-collector_dedupe-by-time)
