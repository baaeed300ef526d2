"""The pytest fixtures of the system tests; conftest.py makes them known."""

import pytest

from .broker import Broker
from .link import Probe
from .org import Organisation
from .pki import Pki
from .process import Processes


@pytest.fixture(scope="session")
def pki(tmp_path_factory) -> Pki:
    """The organisation's CA, one for the whole run: make devices with names of your own test."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def other_pki(tmp_path_factory) -> Pki:
    """A CA that nobody of the organisation trusts."""
    return Pki(tmp_path_factory.mktemp("other-pki"), "Some Other CA")


@pytest.fixture
def brokers(tmp_path, pki):
    """brokers(**options): starts a broker with options of its own; see Broker."""
    started = []

    def make(**options) -> Broker:
        options.setdefault("pki", pki)
        broker = Broker(tmp_path / f"broker-{len(started)}", **options)
        started.append(broker)
        return broker.start()

    yield make
    for broker in started:
        if broker.process is not None and broker.process.running():
            broker.process.resume()
            broker.process.kill()


@pytest.fixture
def broker(brokers) -> Broker:
    """A running broker with the organisation's certificates."""
    return brokers()


@pytest.fixture
def probes():
    """probes(pki, cert, port, *options): starts a link_probe with MQTT; see Probe."""
    started = []

    def make(*arguments, **options):
        probe = Probe(*arguments, **options)
        started.append(probe)
        return probe

    yield make
    for probe in started:
        probe.end()


@pytest.fixture
def processes(tmp_path):
    """Starts programs; ends what still runs after the test."""
    all_of_them = Processes(tmp_path)
    yield all_of_them
    all_of_them.end_all()


@pytest.fixture
def organisation(tmp_path, processes) -> Organisation:
    """A whole organisation whose broker and collector run: see Organisation."""
    return Organisation(tmp_path, processes).start()
