"""What the whole-system tests share: certificates, a broker, processes, waiting.

Everything here starts real programs on loopback and cleans up after itself.
Only processes started through this package are ever signalled, by their pid.
No function sleeps for a fixed time; each waits for a condition with a limit.

    wait.py      free_port(), wait_for(condition, timeout_s)
    process.py   Process: start, logs in a file, stop, kill, stop/continue
    pki.py       Pki: an organisation's CA made with the openssl program; certificates that are
                 good, expired, not yet valid, revoked, for another host; a second CA is a second Pki
    broker.py    Broker: Mosquitto with the listener, the certificates and the ACL of a real set-up
    proxy.py     Proxy: a TCP relay that can be slow, stall or cut (provisioning/impair)
    peers.py     servers that are not what they should be: silent, full, plain HTTP, a scripted broker
    mail.py      MailServer: a real SMTP server that keeps letters and refuses what it is told to
    webhook.py   Receiver: checks signatures, honours webhook-id
    steps.py     a connection to an agent's step socket; EventLoad: numbered reports over every death of it
    oracle.py    what the store holds against what was accepted: values, holes, the Account
    second.py    the same question to the judge of `branchline torture`
    image.py     Image: an ext4 file system in a file, and power cuts under it
    org.py       Organisation: everything together, made by the public tools
    centre.py    Centre: an organisation with a mail server and a webhook receiver
    seed.py      chance_seed(): where a test that goes by chance begins
    status.py    status_of(...): what an agent says of itself
    builds.py    program(name): the path of something that was built
    fixtures.py  the pytest fixtures `pki`, `broker`, `brokers`, `processes` (loaded by conftest.py)

A test that needs a broker, a device and a program of ours:

    def test_agent_reaches_the_broker(pki, broker, processes, tmp_path):
        device = pki.device("dev-1")
        agent = processes.start("agent", [program("branchline-agent"), "--config", ...])
        wait_for(lambda: "connected" in agent.log(), 10, "the agent connects")
"""
