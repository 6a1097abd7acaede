"""Nova's own API over HTTP, with its conductor, scheduler and compute service in this process, its
database in SQLite, and a hypervisor that is none.

    python serve_nova.py PORT COUNT IDS

Creates so many servers, writes their ids into the file IDS, and serves until it is ended. One line of
standard output is one request, with its status.
"""

import sys
import time
import unittest

import eventlet.wsgi
from nova.tests.functional import integrated_helpers

PORT, COUNT, IDS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
TOKEN = "a-token-of-nova"


class Peer(integrated_helpers.ProviderUsageBaseTestCase):
    compute_driver = "fake.FakeDriver"

    def test_serve(self):
        for quota in ["instances", "cores", "ram"]:
            self.flags(**{quota: -1}, group="quota")
        self._start_compute("host-1")
        request = self._build_server(networks="none")
        request.update(min_count=COUNT, max_count=COUNT)
        self.api.post_server({"server": request})
        while True:
            servers = self.api.get_servers(search_opts={"limit": 1000})
            if len(servers) == COUNT and all(one["status"] == "ACTIVE" for one in servers):
                break
            self.assertFalse([one for one in servers if one["status"] == "ERROR"])
            time.sleep(0.5)
        with open(IDS, "w") as ids:
            ids.writelines(one["id"] + "\n" for one in servers)
        app = self.api_fixture.app()
        line = "%(request_line)s %(status_code)s"
        listener = eventlet.listen(("127.0.0.1", PORT))
        eventlet.wsgi.server(listener, guarded(app), log=sys.stdout, log_format=line)


def guarded(app):
    """Nova takes its user from Keystone, which its tests leave out: one token stands for it here."""

    def serve(environ, start_response):
        if environ.get("HTTP_X_AUTH_TOKEN") != TOKEN:
            start_response("401 Unauthorized", [("Content-Type", "text/plain")])
            return [b"the token is unknown"]
        environ["HTTP_X_AUTH_USER"] = "admin"
        environ["HTTP_X_AUTH_PROJECT_ID"] = "6f70656e737461636b20342065766572"
        environ["HTTP_X_ROLES"] = "admin,member,reader"
        return app(environ, start_response)

    return serve


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
