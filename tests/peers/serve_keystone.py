"""Keystone itself over HTTP, with SQLite.

    python serve_keystone.py FOLDER PORT COUNT IDS

Prepares a Keystone in the folder, with so many users, whose ids are written into the file IDS, prints
a token of its administrator, and serves until it is ended.
"""

import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

FOLDER, PORT, COUNT, IDS = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
URL = f"http://127.0.0.1:{PORT}/v3"
CONFIG = f"""[DEFAULT]
log_file = {FOLDER}/keystone.log
[database]
connection = sqlite:///{FOLDER}/keystone.db
[fernet_tokens]
key_repository = {FOLDER}/fernet
[credential]
key_repository = {FOLDER}/credentials
[token]
provider = fernet
"""


class Handler(WSGIRequestHandler):
    def log_request(self, code="-", size="-"):
        print(self.command, self.path, code, file=sys.stderr, flush=True)


class Server(WSGIServer):
    request_queue_size = 128


def manage(*words):
    program = Path(sys.executable).with_name("keystone-manage")
    subprocess.run([program, "--config-file", FOLDER / "keystone.conf", *words], check=True)


def ask(path, body, token=None):
    request = urllib.request.Request(URL + path, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("X-Auth-Token", token)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, json.load(answer)


def users_and_token():
    password = {"name": "admin", "domain": {"id": "default"}, "password": "of-the-test"}
    identity = {"methods": ["password"], "password": {"user": password}}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    headers, _ = ask("/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
    token = headers["X-Subject-Token"]
    with open(IDS, "w") as ids:
        for number in range(COUNT):
            _, made = ask("/users", {"user": {"name": f"user-{number}"}}, token)
            ids.write(made["user"]["id"] + "\n")
    print(token, flush=True)


def main():
    for name in ["fernet", "credentials"]:
        (FOLDER / name).mkdir(parents=True, mode=0o700)
    (FOLDER / "keystone.conf").write_text(CONFIG)
    who = ["--keystone-user", "root", "--keystone-group", "root"]
    manage("db_sync")
    manage("fernet_setup", *who)
    manage("credential_setup", *who)
    manage("bootstrap", "--bootstrap-password", "of-the-test", "--bootstrap-public-url", URL)
    from keystone.server.wsgi import initialize_public_application

    sys.argv = ["keystone", "--config-file", str(FOLDER / "keystone.conf")]
    app = initialize_public_application()
    server = make_server("127.0.0.1", PORT, app, Server, Handler)
    threading.Thread(target=users_and_token, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
